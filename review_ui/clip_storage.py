"""Where Label Studio fetches the clips: a folder that it serves itself, or a bucket to which it gives signed URLs."""

import base64
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from manifests.errors import ConfigError
from manifests.storage import Store, is_url, local_path
from review_ui.server import ONCE, LabelStudioServer, ReviewServerError
from review_ui.settings import Clips, Project

if TYPE_CHECKING:
    import httpx

KEY_VARIABLES: Final = (
    "EMOTROVE_LABEL_STUDIO_AWS_ACCESS_KEY_ID",
    "EMOTROVE_LABEL_STUDIO_AWS_SECRET_ACCESS_KEY",
)
"""Environment variables of a key that may only read the clips; Label Studio stores it. Without them it uses its own."""

_TITLE = "emotrove clips"
_SIGNED_FOR_MIN = 60
_SERVED = "/data/local-files/?d="


def clips_in(folder: str, document_root: Path | None, key: str) -> Clips:
    """How clips in this folder are named in a task.

    Parameters
    ----------
    folder : a local folder or s3://bucket/prefix
    document_root : of Label Studio's local files; by default the folder in which the run folder lies
    key : for the names of the clips

    Raises
    ------
    ConfigError : Label Studio could not serve that folder
    """
    if is_url(folder):
        parts = urlsplit(folder)
        if parts.scheme != "s3" or not parts.netloc:
            raise ConfigError(f"Label Studio cannot fetch clips from {folder}: give --clips s3://bucket/prefix")
        if document_root is not None:
            raise ConfigError(f"--document-root is for local clips, and these are in {folder}. Leave it out")
        return Clips(folder.rstrip("/"), f"{folder.rstrip('/')}/", key)
    path = local_path(folder).absolute()
    root = path.parents[2] if document_root is None else document_root.absolute()
    try:
        below = path.resolve().relative_to(root.resolve())
    except ValueError:
        raise ConfigError(
            f"The clips lie in {path}, which is not inside the document root {root}. Give --document-root the folder "
            "that Label Studio has as LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT, and put the run below it"
        ) from None
    if not below.parts:
        raise ConfigError(
            f"The document root {root} is the folder of the clips itself; Label Studio wants one above it"
        )
    return Clips(str(root / below), f"{_SERVED}{quote(str(below))}/", key)


def connect(server: LabelStudioServer, project: Project, clips: Clips) -> None:
    """Let a project fetch the clips, and prove that it does by fetching a tiny file through the server.

    Nothing is synced: that would make a task of every file.

    Raises
    ------
    ReviewServerError : it does not work; says which setting is missing
    StorageError : the folder cannot be written
    """
    probe, content = f"probe-{uuid.uuid4().hex}.txt", uuid.uuid4().hex.encode()
    store = Store(clips.folder)
    store.ensure()
    store.write_bytes(probe, content)  # first, because Label Studio refuses a bucket with nothing below the prefix
    try:
        if store.is_local:
            _connect_local(server, project, clips)
            _probe_local(server, clips, probe, content)
        else:
            _connect_s3(server, project, clips)
            _probe_s3(server, project, clips, probe, content)
    finally:
        store.delete(probe)


def _connect_local(server: LabelStudioServer, project: Project, clips: Clips) -> None:
    storage = server.sdk.import_storage.local
    with server.calling(f"list the storages of {project}"):
        if any(one.path == clips.folder for one in storage.list(project=project.project_id)):
            return
    try:
        with server.calling(f"serve {clips.folder}"):
            storage.create(
                project=project.project_id,
                path=clips.folder,
                title=_TITLE,
                use_blob_urls=True,
                request_options=ONCE,
            )
    except ReviewServerError as error:
        if "LOCAL_FILES_SERVING_ENABLED" in str(error):
            raise ReviewServerError(_NOT_SERVING.format(url=server.url)) from error
        if "LOCAL_FILES_DOCUMENT_ROOT" in str(error) or "does not exist" in str(error):
            raise ReviewServerError(
                f"{error}\nLabel Studio must see {clips.folder} under this very path, inside its document root: start it "
                f"with LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={Path(clips.folder).parents[2]} or a folder above, give "
                "that as --document-root, and in a container mount it under the same path"
            ) from error
        raise


def _probe_local(server: LabelStudioServer, clips: Clips, probe: str, content: bytes) -> None:
    answer = server.get(clips.url(probe))
    if answer.status_code == 403 and "LOCAL_FILES_SERVING_ENABLED" in answer.text:
        raise ReviewServerError(_NOT_SERVING.format(url=server.url))
    if answer.status_code != 200 or answer.content != content:
        raise ReviewServerError(
            f"Label Studio at {server.url} does not serve what lies in {clips.folder}: asked for {clips.url(probe)} it "
            f"answered {answer.status_code}. Its LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT must be what --document-root is "
            "(by default the folder in which the run folder lies), on the same disk"
        )


_NOT_SERVING = (
    "Label Studio at {url} serves no local files. Start it with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and "
    "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=the folder that holds your runs, or use --clips s3://bucket/prefix"
)


def _connect_s3(server: LabelStudioServer, project: Project, clips: Clips) -> None:
    parts = urlsplit(clips.folder)
    bucket, prefix = parts.netloc, parts.path.strip("/")
    storage = server.sdk.import_storage.s3
    with server.calling(f"list the storages of {project}"):
        if any((one.bucket, one.prefix or "") == (bucket, prefix) for one in storage.list(project=project.project_id)):
            return
    given = {
        "aws_access_key_id": os.environ.get(KEY_VARIABLES[0]),
        "aws_secret_access_key": os.environ.get(KEY_VARIABLES[1]),
        "s3endpoint": os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"),
        "region_name": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
    }
    try:
        with server.calling(f"fetch from {clips.folder}"):
            storage.create(
                project=project.project_id,
                bucket=bucket,
                prefix=prefix,
                title=_TITLE,
                use_blob_urls=True,
                presign=True,
                presign_ttl=_SIGNED_FOR_MIN,
                request_options=ONCE,
                **{name: value for name, value in given.items() if value},  # type: ignore[arg-type]
            )
    except ReviewServerError as error:
        raise ReviewServerError(
            f"{error}\nLabel Studio needs a key that may read {clips.folder}: its own, or one in {' and '.join(KEY_VARIABLES)}. "
            "An endpoint inside a private network needs LABEL_STUDIO_SSRF_PROTECTION_ENABLED=false on the server"
        ) from error


def _probe_s3(server: LabelStudioServer, project: Project, clips: Clips, probe: str, content: bytes) -> None:
    uri = base64.urlsafe_b64encode(clips.url(probe).encode()).decode()
    answer = server.get(f"/projects/{project.project_id}/resolve/", fileuri=uri)
    if answer.status_code != 200 or answer.content != content:
        raise ReviewServerError(
            f"Label Studio at {server.url} cannot fetch what lies in {clips.folder}: it answered {answer.status_code}. "
            f"Check that its key may read there ({', '.join(KEY_VARIABLES)})"
        )
    _check_cors(server, clips, answer)


def _check_cors(server: LabelStudioServer, clips: Clips, signed: "httpx.Response") -> None:
    import httpx

    origin = "{0.scheme}://{0.netloc}".format(urlsplit(server.url))
    with server.calling(f"fetch from {clips.folder} as a browser would"):
        answer = httpx.get(str(signed.url), headers={"Origin": origin})
    if answer.headers.get("access-control-allow-origin") not in ("*", origin):
        raise ReviewServerError(
            f"Browsers may not fetch from {clips.folder}: add a CORS rule to its bucket that allows GET and HEAD from {origin}"
        )
