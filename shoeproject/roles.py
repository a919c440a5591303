"""The three roles, as Django groups.

What a role may do with an app's models stands in that app's configuration, in `role_permissions`:
role → model → verbs, such as {"Curator": {"review": "view"}}.
"""

from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db.models import Q


def grant() -> None:
    """Create the groups and give them their permissions; permissions added by hand stay."""
    for name in ("Curator", "Trainer"):
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.add(*Permission.objects.filter(_allowed(name)))
    operator, _ = Group.objects.get_or_create(name="Operator")
    operator.permissions.add(*Permission.objects.all())


def _allowed(role: str) -> Q:
    wanted = Q(pk__in=[])
    for config in apps.get_app_configs():
        for model, verbs in getattr(config, "role_permissions", {}).get(role, {}).items():
            names = [f"{verb}_{model}" for verb in verbs.split()]
            wanted |= Q(content_type__app_label=config.label, codename__in=names)
    return wanted


def grant_after_migrate(sender, **kwargs):
    """Receiver of `post_migrate`: an app's permissions are made when its own turn comes, and the
    roles span all apps, so they are written at the turn of the last one."""
    if sender is list(apps.get_app_configs())[-1]:
        grant()
