"""The classifier's errors that several rooms raise, with their facts."""

from shoeproject.errors import ProjectError


class ClassifierError(ProjectError):
    """The model could not do something, for a reason that a person can act on."""

    code = "classifier_error"


class UnknownRecipe(ClassifierError):
    """No preset has this name; `known` lists those there are."""

    name: str
    known: str
    code = "unknown_recipe"
    message = "There is no recipe {name!r}; choose one of: {known}."


class BadOverride(ClassifierError):
    """An override of a recipe has an unknown key, or a value that its field does not take."""

    key: str
    value: object
    why: str
    code = "bad_override"
    message = "Recipe override {key}={value!r} is not usable: {why}."


class UnknownArchitecture(ClassifierError):
    """The network is unknown, or is not convolutional with a last feature map."""

    arch: str
    why: str
    code = "unknown_architecture"
    message = "The architecture {arch!r} cannot be used ({why}); resnet34 always can."


class NoPretrainedWeights(ClassifierError):
    """No pretrained weights were found: `tried` lists where, `offers` what this machine has."""

    arch: str
    tried: str
    offers: str
    code = "no_pretrained_weights"
    message = (
        "No pretrained weights for {arch}. Tried: {tried}. On this machine: {offers}. "
        "Use one of these, or ask for start=scratch to train from random weights."
    )


class WeightsDoNotFit(ClassifierError):
    """A weights file belongs to another network, or is damaged."""

    source: str
    arch: str
    why: str
    code = "weights_do_not_fit"
    message = "The weights {source} do not fit {arch} ({why}); give a file made for {arch}."


class TooFewPictures(ClassifierError):
    """A split holds fewer pictures than the work needs."""

    split: str
    count: int
    needed: int
    code = "too_few_pictures"
    message = (
        "The {split} split holds {count} pictures and {needed} are needed; "
        "label more, or freeze a snapshot with a wider filter."
    )


class UnknownLabel(ClassifierError):
    """A picture has a label that is none of the run's classes."""

    label: str
    path: str
    code = "unknown_label"
    message = "{path} is labelled {label!r}, which is no class of this run; add the class."


class UnreadablePicture(ClassifierError):
    """A stored picture that training or calibration needs cannot be read."""

    path: str
    why: str
    code = "unreadable_picture"
    message = "{path} cannot be read ({why}); fetch it again or leave it out."


class TrainingStopped(ClassifierError):
    """`should_stop` ended the training; all `epochs` finished epochs are in a checkpoint."""

    epochs: int
    code = "training_stopped"
    message = "Training was stopped after {epochs} finished epochs; resume it to go on from there."


class TrainingDiverged(ClassifierError):
    """The loss is no longer a finite number."""

    epoch: int
    lr: float
    code = "training_diverged"
    message = "The loss exploded in epoch {epoch}; start again with a lower lr than {lr:g}."


class CheckpointMismatch(ClassifierError):
    """The checkpoint to resume from belongs to another run; `what` differs."""

    what: str
    code = "checkpoint_mismatch"
    message = "The checkpoint was written with another {what}; start a new run instead."


class BrokenCheckpoint(ClassifierError):
    """A checkpoint is incomplete or damaged."""

    folder: str
    why: str
    code = "broken_checkpoint"
    message = "The checkpoint {folder} is unusable ({why}); use an older one."


class ExportMismatch(ClassifierError):
    """The exported graph does not compute what the network computes."""

    output: str
    difference: float
    allowed: float
    code = "export_mismatch"
    message = (
        "The exported {output} differ from the network's by {difference:.2e} "
        "(allowed: {allowed:.2e}); nothing was written, try another architecture."
    )


class VersionExists(ClassifierError):
    """The folder exists already; versions are never overwritten."""

    folder: str
    code = "version_exists"
    message = "{folder} exists already; export to another place."


class BrokenVersion(ClassifierError):
    """A model version is incomplete, damaged, too new, or computes other numbers here."""

    why: str
    code = "broken_version"
    message = "This model version cannot be used: {why}; fetch or export it again."


DEVICES = ("auto", "cpu", "cuda")  # that PREDICT_DEVICE may name


class DeviceUnusable(ClassifierError):
    """PREDICT_DEVICE names an unknown or missing device."""

    device: str
    why: str
    code = "device_unusable"
    message = "PREDICT_DEVICE={device} is not possible here: {why}."


class NoActiveModel(ClassifierError):
    """No version is active, so nothing can be recognised."""

    code = "no_model"
    status = 503
    retry_after = 60
    message = "No model is active yet, so photos cannot be recognised; please come back later."


class ModelUnknown(ClassifierError):
    """No version has this number or digest."""

    code = "model_unknown"
    status = 404
    message = (
        "There is no such model; name one by its number, by at least twelve digits of its version, "
        "or as 'active'."
    )


class ModelUnloadable(ClassifierError):
    """A version requested by name cannot be loaded here; `version` is its short digest."""

    version: str
    code = "model_unloadable"
    status = 503
    retry_after = 60
    message = "Model {version} cannot be loaded here just now; leave it out to ask the active one."


class ModelBusy(ClassifierError):
    """Another version is being loaded, or was just now; `retry_after` is in seconds."""

    retry_after: int
    code = "model_busy"
    status = 503
    message = (
        "Another model is being loaded; try again in {retry_after} seconds, or ask the active one."
    )


class TooBusy(ClassifierError):
    """The prediction limit and its queue are full; `retry_after` is in seconds."""

    retry_after: int
    code = "too_busy"
    status = 503
    message = "Too many photos are being recognised just now; try again in {retry_after} seconds."


class PhotoMissing(ClassifierError):
    """The request came without a photo."""

    code = "image_missing"
    message = "There is no photo in the request; send one as a file in the form field 'image'."


class SeveralPhotos(ClassifierError):
    """A form that takes one file came with more."""

    count: int
    code = "image_several"
    message = "There are {count} photos in the request; send one at a time."


class LengthMissing(ClassifierError):
    """The body's length is not declared, so it cannot be checked before it is read."""

    code = "length_required"
    status = 411
    message = "The request does not declare its length; send it with a Content-Length header."


class AnswerExpired(ClassifierError):
    """The id of an answer is genuine and too old."""

    code = "answer_expired"
    status = 410
    message = "This answer has expired; send the photo again."


class AnswerUnknown(ClassifierError):
    """The id of an answer was not signed here, or was changed since."""

    code = "answer_unknown"
    message = "This is not the id of an answer; send the photo again."
