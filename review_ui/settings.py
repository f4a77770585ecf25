"""What ``review init`` has decided for a run: its projects, their screen, and where the clips lie."""

from dataclasses import asdict, dataclass, field
from typing import Any

from manifests.errors import RunFolderError
from manifests.review import ADJUDICATION, SLOTS, Slot
from manifests.review_folder import SETTINGS, ReviewFolder
from review_ui.label_config import adjudication_config, expert_config
from review_ui.screen_words import Screen


@dataclass(frozen=True, slots=True)
class Clips:
    """Where ``push`` puts the clips, and how a task says where one is."""

    folder: str  # a local path or s3://bucket/prefix
    prefix: str  # what Label Studio wants before the name of a clip
    key: str  # 32 hexadecimal digits; without them nobody can tell which clip a name means

    def url(self, name: str) -> str:
        """The audio of a task."""
        return f"{self.prefix}{name}"


@dataclass(frozen=True, slots=True)
class Project:
    """A project of Label Studio, and the slot that it is for."""

    slot: Slot
    url: str
    project_id: int
    title: str
    screen: Screen
    show_machine: bool
    review_id: str

    @property
    def marker(self) -> str:
        """The line of the project's description by which it is recognized."""
        return f"emotrove review {self.review_id} slot {self.slot}"

    @property
    def config(self) -> str:
        """The label config that the project should have, as XML."""
        if self.slot == ADJUDICATION:
            return adjudication_config(self.screen)
        return expert_config(self.screen, show_machine=self.show_machine)

    @property
    def page(self) -> str:
        """Where a browser finds it."""
        return f"{self.url}/projects/{self.project_id}/data"

    def __str__(self) -> str:
        return f"project '{self.title}' (slot {self.slot}, {self.page})"


@dataclass(slots=True)
class ReviewSettings:
    """The content of ``review/review.yaml``."""

    review_id: str  # by which projects are recognized on a server
    seed: int
    screen: Screen
    show_machine: bool
    clips: Clips
    projects: dict[Slot, Project] = field(default_factory=dict)

    @classmethod
    def read(cls, review: ReviewFolder) -> "ReviewSettings":
        """The settings of a run.

        Raises
        ------
        RunFolderError : there are none, or they are damaged
        """
        record = review.settings()
        try:
            settings = cls(
                record["review_id"],
                record["seed"],
                record["screen"],
                record["show_machine"],
                Clips(**record["clips"]),
            )
            for slot in SLOTS:
                if slot in record["projects"]:
                    settings.add(slot, **record["projects"][slot])
        except (KeyError, TypeError) as error:
            where = review.store.path(SETTINGS)
            raise RunFolderError(f"{where} is damaged: {error}. Put it back from a copy") from error
        return settings

    def write(self, review: ReviewFolder) -> None:
        review.write_settings(self.to_record())

    def to_record(self) -> dict[str, Any]:
        return {
            "review_id": self.review_id,
            "seed": self.seed,
            "screen": self.screen,
            "show_machine": self.show_machine,
            "clips": asdict(self.clips),
            "projects": {
                slot: {"url": project.url, "project_id": project.project_id, "title": project.title}
                for slot, project in self.projects.items()
            },
        }

    def add(self, slot: Slot, url: str, project_id: int, title: str) -> Project:
        """Take the project of a slot into the settings, in place of the one before."""
        self.projects[slot] = self.described(slot, url, project_id, title)
        return self.projects[slot]

    def described(self, slot: Slot, url: str, project_id: int, title: str) -> Project:
        """A project of this review."""
        return Project(slot, url, project_id, title, self.screen, self.show_machine, self.review_id)

    def project(self, slot: Slot) -> Project:
        """The project of a slot.

        Raises
        ------
        RunFolderError : ``review init`` was stopped before it was made
        """
        if slot not in self.projects:
            raise RunFolderError(
                f"The project of slot {slot} was not made yet. Run the same 'emotrove review init' again"
            )
        return self.projects[slot]
