"""`/health/`: whether this web process reaches database and cache.

For people, load balancers and `make run`. The page is public, so it names the part that fails and
not the reason, which is in the log.
"""

import logging
import secrets
from functools import partial

from django.apps import apps
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

OK, UNREACHABLE = "ok", "unreachable"


def _database() -> tuple[str, dict]:
    """Return the database's state and the fields that the apps add from the database."""
    facts = {
        name: partial(find, config)
        for config in apps.get_app_configs()
        for name, find in getattr(config, "health_facts", {}).items()
    }
    try:
        connection.ensure_connection()
        return OK, {name: find() for name, find in facts.items()}
    except DatabaseError as error:
        logger.error("The database does not answer: %s", error)
        return UNREACHABLE, dict.fromkeys(facts)


def _cache() -> str:
    """Return the cache's state, after a round trip; by default the same server is the broker."""
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
    """Answer 200 if database and cache work, else 503, with both states as JSON.

    A site without an active model is healthy: it shows the guide and collects data.
    """
    database, facts = _database()
    cached = _cache()
    healthy = database == cached == OK
    return JsonResponse(
        {
            "status": OK if healthy else "failing",
            "database": database,
            "cache": cached,
            **facts,
        },
        status=200 if healthy else 503,
    )
