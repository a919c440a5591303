"""The three roles, as Django groups."""

from django.contrib.auth.models import Group, Permission
from django.db.models import Q

# Rows that must only ever grow are never changed or deleted by anybody through the admin.
CURATOR = {
    "curation": {
        "category": "view",
        "shoetype": "view change",
        "shoeimage": "view change",
        "review": "view",
        "purge": "view",
        "collection": "view add change",
        "import": "view add change",
        "hit": "view",
        "assessrun": "view add change",
        "assessment": "view",
        "finding": "view change",
        "worklist": "view add change delete",
        "snapshot": "view add",
    },
    "classifier": {
        "trainingrun": "view",
        "epoch": "view",
        "modelversion": "view",
        "evaluation": "view",
        "pretrainedembedder": "view add",
        "promotion": "view",
        "feedback": "view",
        # Own tokens alone: who may view them sees everybody's.
        "accesstoken": "add",
    },
}
TRAINER = {
    "curation": {
        "category": "view",
        "shoetype": "view",
        "shoeimage": "view",
        "review": "view",
        "snapshot": "view add",
        "finding": "view",
        "worklist": "view add change",
    },
    "classifier": {
        "trainingrun": "view add change",
        "epoch": "view",
        "modelversion": "view change",
        "evaluation": "view add change",
        "pretrainedembedder": "view add change",
        "promotion": "view add",
        "feedback": "view",
        "accesstoken": "add",
    },
}


def grant() -> None:
    """Create the groups and give them their permissions; permissions added by hand stay."""
    for name, allowed in (("Curator", CURATOR), ("Trainer", TRAINER)):
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.add(*Permission.objects.filter(_any_of(allowed)))
    operator, _ = Group.objects.get_or_create(name="Operator")
    operator.permissions.add(*Permission.objects.all())


def _any_of(allowed) -> Q:
    wanted = Q(pk__in=[])
    for app, models in allowed.items():
        for model, verbs in models.items():
            names = [f"{verb}_{model}" for verb in verbs.split()]
            wanted |= Q(content_type__app_label=app, codename__in=names)
    return wanted


def grant_after_migrate(sender, **kwargs):
    """Receiver of `post_migrate`, at the turn of the project's last app."""
    if sender.name == "classifier":
        grant()
