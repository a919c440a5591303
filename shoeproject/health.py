"""`/health/`: does this web process reach what it needs? For people, load balancers and `make run`.

Every field is public, so it says which part fails and not why; the log has that.
"""

import logging
import secrets

from django.apps import apps
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

OK, UNREACHABLE = "ok", "unreachable"


def _database() -> tuple[str, str | None]:
    """The database's state, and the name of the active model version where there is one."""
    try:
        connection.ensure_connection()
        versions = apps.get_model("classifier", "ModelVersion")
        return OK, versions.objects.filter(active=True).values_list("name", flat=True).first()
    except DatabaseError as error:
        logger.error("The database does not answer: %s", error)
        return UNREACHABLE, None


def _cache() -> str:
    """The cache's state, by a round trip; by default it is the server that is the broker, too."""
    key, value = f"health:{secrets.token_hex(8)}", secrets.token_hex(8)
    try:
        cache.set(key, value, timeout=10)
        return OK if cache.get(key) == value else UNREACHABLE
    except (RedisError, OSError) as error:
        logger.error("The cache does not answer: %s", error)
        return UNREACHABLE


@never_cache
@require_safe
def health(request):
    """Answer 200 where database and cache work, else 503, with both states as JSON.

    A site without an active model is healthy: it has a guide to show and data to collect.
    """
    database, model = _database()
    cached = _cache()
    healthy = database == cached == OK
    return JsonResponse(
        {
            "status": OK if healthy else "failing",
            "database": database,
            "cache": cached,
            "model": model,
        },
        status=200 if healthy else 503,
    )
