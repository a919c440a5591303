"""What can go wrong with a model, as facts; how it becomes an HTTP status, a message in the admin
or an exit code is decided where it is answered."""

from dataclasses import dataclass

from shoeproject.errors import ProjectError


class ClassifierError(ProjectError):
    """Base of this app's errors: facts as attributes, `code` for programs, `detail` for people.

    A subclass is either a dataclass of its facts with a `sentence`, a format string over them (made
    from its facts by position, it survives pickling), or hands its sentence to this `__init__`.
    """

    code = "classifier_error"
    sentence = "The model could not do this; check the data and try again."

    def __init__(self, detail: str = ""):
        super().__init__(detail)
        if detail:
            self.sentence = detail.replace("{", "{{").replace("}", "}}")

    @property
    def detail(self) -> str:
        """One sentence for people: what is wrong and what to do."""
        return self.sentence.format(**vars(self))

    def __str__(self) -> str:
        return self.detail


@dataclass(eq=False)
class UnknownRecipe(ClassifierError):
    """No preset has this name."""

    name: str
    known: list[str]
    code = "unknown_recipe"

    @property
    def detail(self) -> str:
        """One sentence for people."""
        return f"There is no recipe {self.name!r}; choose one of: {', '.join(self.known)}."


@dataclass(eq=False)
class BadOverride(ClassifierError):
    """An override of a recipe has an unknown key, or a value that its field does not take."""

    key: str
    value: object
    why: str
    code = "bad_override"
    sentence = "Recipe override {key}={value!r} is not usable: {why}."


@dataclass(eq=False)
class UnknownArchitecture(ClassifierError):
    """The network is unknown here, or is not a convolutional one with a last feature map."""

    arch: str
    why: str
    code = "unknown_architecture"
    sentence = "The architecture {arch!r} cannot be used ({why}); resnet34 always can."


@dataclass(eq=False)
class NoPretrainedWeights(ClassifierError):
    """Nothing to start from was found. `tried` says where, `offers` what this machine does have."""

    arch: str
    tried: list[str]
    offers: list[str]
    code = "no_pretrained_weights"

    @property
    def detail(self) -> str:
        """What was tried and what would work, for people."""
        return (
            f"No pretrained weights for {self.arch}. Tried: {'; '.join(self.tried)}. "
            f"On this machine: {'; '.join(self.offers)}. "
            "Use one of these, or ask for start=scratch to train from random weights."
        )


@dataclass(eq=False)
class WeightsDoNotFit(ClassifierError):
    """A weights file belongs to another network, or is damaged."""

    source: str
    arch: str
    why: str
    code = "weights_do_not_fit"
    sentence = "The weights {source} do not fit {arch} ({why}); give a file made for {arch}."


@dataclass(eq=False)
class TooFewPictures(ClassifierError):
    """A split holds fewer pictures than the work needs."""

    split: str
    count: int
    needed: int
    code = "too_few_pictures"
    sentence = (
        "The {split} split holds {count} pictures and {needed} are needed; "
        "label more, or freeze a snapshot with a wider filter."
    )


@dataclass(eq=False)
class UnknownLabel(ClassifierError):
    """A picture carries a label that is not among the classes to be learnt."""

    label: str
    path: str
    code = "unknown_label"
    sentence = "{path} is labelled {label!r}, which is no class of this run; add the class."


@dataclass(eq=False)
class UnreadablePicture(ClassifierError):
    """A stored picture that training or calibration needs cannot be read."""

    path: str
    why: str
    code = "unreadable_picture"
    sentence = "{path} cannot be read ({why}); fetch it again or leave it out."


@dataclass(eq=False)
class TrainingStopped(ClassifierError):
    """`should_stop` said so; all `epochs` finished epochs are in a checkpoint."""

    epochs: int
    code = "training_stopped"
    sentence = "Training was stopped after {epochs} finished epochs; resume it to go on from there."


@dataclass(eq=False)
class TrainingDiverged(ClassifierError):
    """The loss is no longer a finite number."""

    epoch: int
    lr: float
    code = "training_diverged"
    sentence = "The loss exploded in epoch {epoch}; start again with a lower lr than {lr:g}."


@dataclass(eq=False)
class CheckpointMismatch(ClassifierError):
    """The checkpoint to resume from belongs to another run; `what` differs."""

    what: str
    code = "checkpoint_mismatch"
    sentence = "The checkpoint was written with another {what}; start a new run instead."


@dataclass(eq=False)
class BrokenCheckpoint(ClassifierError):
    """A checkpoint is incomplete or damaged."""

    folder: str
    why: str
    code = "broken_checkpoint"
    sentence = "The checkpoint {folder} is unusable ({why}); use an older one."


@dataclass(eq=False)
class ExportMismatch(ClassifierError):
    """The exported graph does not compute what the network computes."""

    output: str
    difference: float
    allowed: float
    code = "export_mismatch"
    sentence = (
        "The exported {output} differ from the network's by {difference:.2e} "
        "(allowed: {allowed:.2e}); nothing was written, try another architecture."
    )


@dataclass(eq=False)
class VersionExists(ClassifierError):
    """There is something in that place already; versions are never overwritten."""

    folder: str
    code = "version_exists"
    sentence = "{folder} exists already; export to another place."


@dataclass(eq=False)
class BrokenVersion(ClassifierError):
    """A model version is incomplete, damaged, too new, or computes other numbers here."""

    why: str
    code = "broken_version"
    sentence = "This model version cannot be used: {why}; fetch or export it again."


DEVICES = ("auto", "cpu", "cuda")  # that PREDICT_DEVICE may name


@dataclass(eq=False)
class DeviceUnusable(ClassifierError):
    """Predictions were asked to run on a device that is not there."""

    device: str
    why: str
    code = "device_unusable"
    sentence = "PREDICT_DEVICE={device} is not possible here: {why}."


class NoActiveModel(ClassifierError):
    """No version is active, so nothing can be recognised."""

    code = "no_model"
    sentence = "No model is active yet, so photos cannot be recognised; please come back later."


class ModelUnknown(ClassifierError):
    """No version has this number or digest."""

    code = "model_unknown"
    sentence = (
        "There is no such model; name one by its number, by at least twelve digits of its version, "
        "or as 'active'."
    )


@dataclass(eq=False)
class ModelUnloadable(ClassifierError):
    """A version that was asked for by name cannot be served here; `version` is its short digest."""

    version: str
    code = "model_unloadable"
    sentence = "Model {version} cannot be loaded here just now; leave it out to ask the active one."


@dataclass(eq=False)
class ModelBusy(ClassifierError):
    """Another version is being loaded, or was just now; `retry_after` is in seconds."""

    retry_after: int
    code = "model_busy"
    sentence = (
        "Another model is being loaded; try again in {retry_after} seconds, or ask the active one."
    )


@dataclass(eq=False)
class TooBusy(ClassifierError):
    """As many photos as allowed are being worked on and waiting; `retry_after` is in seconds."""

    retry_after: int
    code = "too_busy"
    sentence = "Too many photos are being recognised just now; try again in {retry_after} seconds."


class PhotoMissing(ClassifierError):
    """The request came without a photo."""

    code = "image_missing"
    sentence = "There is no photo in the request; send one as a file in the form field 'image'."


@dataclass(eq=False)
class SeveralPhotos(ClassifierError):
    """A form that takes one file came with more."""

    count: int
    code = "image_several"
    sentence = "There are {count} photos in the request; send one at a time."


class LengthMissing(ClassifierError):
    """The body's length is not declared, so it cannot be judged before it is read."""

    code = "length_required"
    sentence = "The request does not declare its length; send it with a Content-Length header."


class AnswerExpired(ClassifierError):
    """The id of an answer is genuine and too old."""

    code = "answer_expired"
    sentence = "This answer has expired; send the photo again."


class AnswerUnknown(ClassifierError):
    """The id of an answer was not given out here, or was changed since."""

    code = "answer_unknown"
    sentence = "This is not the id of an answer; send the photo again."
