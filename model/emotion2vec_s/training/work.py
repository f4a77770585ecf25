"""What each worker of a training does."""

import torch

from model.emotion2vec_s.training.configuration import TrainingConfig
from model.emotion2vec_s.training.export import MODEL, export_model
from model.emotion2vec_s.training.folder import TrainingFolder
from model.emotion2vec_s.training.loop import OnRecord, Trainer
from model.emotion2vec_s.training.training_set import TrainingSet


def work(
    config: TrainingConfig, data: TrainingSet, folder: TrainingFolder, device: torch.device, on_record: OnRecord
) -> None:
    """Train to the end, and write the network; ``on_record`` is called by the first worker."""
    if device.type == "cuda":
        torch.cuda.set_device(device)  # or the process group would take the first GPU for all workers of a machine
    trainer = Trainer(config, data, folder, device, on_record)
    trainer.run()
    if trainer.rank == 0:
        export_model(trainer.module.student, folder, trainer.step, folder.path(MODEL))
