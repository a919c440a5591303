"""The three roles, as Django groups.

Each app's configuration lists what a role may do with its models, in `role_permissions`:
role → model → verbs, such as {"Curator": {"review": "view"}}.
"""

from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db.models import Q


def grant() -> None:
    """Create the groups and add their permissions; permissions added by hand stay."""
    for name in ("Curator", "Trainer"):
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.add(*Permission.objects.filter(_allowed(name)))
    operator, _ = Group.objects.get_or_create(name="Operator")
    operator.permissions.add(*Permission.objects.all())


def _allowed(role: str) -> Q:
    wanted = Q(pk__in=[])
    for config in apps.get_app_configs():
        for model, verbs in getattr(config, "role_permissions", {}).get(role, {}).items():
            wanted |= Q(
                content_type__app_label=config.label,
                codename__in=[f"{verb}_{model}" for verb in verbs.split()],
            )
    return wanted


def grant_after_migrate(sender, **kwargs):
    """Call `grant` once, after the last app's migrations (receiver of `post_migrate`).

    Each app's permissions are created after its own migrations, and the roles span all apps.
    """
    if sender is list(apps.get_app_configs())[-1]:
        grant()
