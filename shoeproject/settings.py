"""All settings of the project, read from the environment.

A setting may also be a line `NAME=value` in `var/env`; the environment takes precedence. With
nothing set the project runs on one machine: SQLite, local files and an embedded Valkey server, all
below `var/`. `DATABASE_URL`, `REDIS_URL` and `S3_BUCKET` name PostgreSQL, Redis and an object store
to use instead.
"""

from pathlib import Path

import environ
from corsheaders.defaults import default_headers

from shoeproject import local

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
VAR_DIR = Path(env("VAR_DIR", default=str(BASE_DIR / "var"))).resolve()
environ.Env.read_env(VAR_DIR / "env")

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env("SECRET_KEY", default="") or local.secret_key(VAR_DIR)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "corsheaders",
    "shoeproject",
    "curation",
    "classifier",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "shoeproject.api.throttles.rate_headers",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "shoeproject.urls"
WSGI_APPLICATION = "shoeproject.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- database ---------------------------------------------------------------------------------

# Not as a URL, in which some characters of a folder's name would have another meaning.
_SQLITE = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(VAR_DIR / "db.sqlite3")}
DATABASES = {"default": env.db("DATABASE_URL") if env("DATABASE_URL", default="") else _SQLITE}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Deferred transactions fail at once with "database is locked" when two processes change from
    # reading to writing; with IMMEDIATE the second one waits for up to `timeout` seconds.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=60)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- broker and cache -------------------------------------------------------------------------

REDIS_URL = env("REDIS_URL", default="")
VALKEY_SOCKET = local.socket_path(VAR_DIR)
if REDIS_URL:
    CELERY_BROKER_URL = REDIS_URL
    # The next database of the same server: clearing a cache flushes its whole database.
    _server, _, _number = REDIS_URL.rpartition("/")
    CACHE_URL = env("CACHE_URL", default="") or (
        f"{_server}/{int(_number) + 1}" if _number.isdecimal() else REDIS_URL
    )
else:
    CELERY_BROKER_URL = f"redis+socket://{VALKEY_SOCKET}?virtual_host=0"
    CACHE_URL = f"unix://{VALKEY_SOCKET}?db=1"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": CACHE_URL,
        "KEY_PREFIX": "shoes",
        "OPTIONS": {"socket_connect_timeout": 3, "socket_timeout": 3},
    }
}

# A message only tells a worker that a job's row is waiting. So messages are acknowledged early, no
# results are stored, and a broker that is down delays nobody.
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": env("CELERY_BROKER_PREFIX", default="shoes:"),
    "socket_connect_timeout": 3,
    # kombu would try for six seconds to send a message, while a user waits for the page.
    "max_retries": 0,
}
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "short"
# The default scheduler keeps a file of the last runs. If a kill damages that file, the scheduler
# fails at every start; without one the intervals simply begin anew.
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"
CELERY_TIMEZONE = "UTC"

# --- jobs -------------------------------------------------------------------------------------

# Seconds without a heartbeat after which another worker may claim a job.
JOB_LEASE_SECONDS = env.int("JOB_LEASE_SECONDS", default=60)
# Seconds between two heartbeats of a running job, which also write its progress.
JOB_TICK_SECONDS = env.float("JOB_TICK_SECONDS", default=2.0)
# Seconds between two rounds that send messages for waiting jobs and for those of dead workers.
JOB_RING_SECONDS = env.float("JOB_RING_SECONDS", default=15.0)
# Seconds that a command run with --wait leaves workers to claim its job before it does the work.
JOB_WAIT_FOR_WORKER_SECONDS = env.float("JOB_WAIT_FOR_WORKER_SECONDS", default=5.0)
# Deaths of workers in a row, without progress, after which a job fails.
JOB_MAX_DEATHS = env.int("JOB_MAX_DEATHS", default=3)

CELERY_BEAT_SCHEDULE = {
    "ring": {
        "task": "shoeproject.ring_due",
        "schedule": JOB_RING_SECONDS,
        # A round that no worker had time for is useless once the next one is due.
        "options": {"expires": JOB_RING_SECONDS},
    },
    "analyze": {
        "task": "shoeproject.look_at_tables",
        "schedule": 3600.0,
        "options": {"expires": 600},
    },
}

# --- files ------------------------------------------------------------------------------------

S3_BUCKET = env("S3_BUCKET", default="")


def _store(folder: str) -> dict:
    """Return one storage alias: a folder of `var/`, or a prefix in the bucket if one is set."""
    if not S3_BUCKET:
        return {
            "BACKEND": "shoeproject.storage.atomic.AtomicFileSystemStorage",
            "OPTIONS": {"location": str(VAR_DIR / folder)},
        }
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": S3_BUCKET,
            "location": folder,
            "endpoint_url": env("S3_ENDPOINT_URL", default=None),
            "region_name": env("S3_REGION", default=None),
            "access_key": env("S3_ACCESS_KEY", default=None),
            "secret_key": env("S3_SECRET_KEY", default=None),
            "file_overwrite": True,
            # Larger files are read into a temporary file; by default all are read into memory.
            "max_memory_size": 16 * 1024**2,
            "default_acl": None,
            "querystring_auth": True,
        },
    }


STORAGES = {
    "default": _store("media"),
    "media": _store("media"),
    "models": _store("models"),
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
CACHE_DIR = Path(env("CACHE_DIR", default=str(VAR_DIR / "cache")))
# Megabytes that have to be free on the disk of `var/` for `make run` to start.
MIN_FREE_MB = env.int("MIN_FREE_MB", default=500)

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]

# --- imports and uploads ----------------------------------------------------------------------

# Refused files that the report of an import names one by one.
IMPORT_REPORT_LINES = env.int("IMPORT_REPORT_LINES", default=1000)
# Files that a folder, ZIP or CSV of one import may hold.
IMPORT_MAX_ENTRIES = env.int("IMPORT_MAX_ENTRIES", default=100_000)
# Unpacked bytes of a ZIP, and how many times its own size that may be.
IMPORT_ZIP_MAX_BYTES = env.int("IMPORT_ZIP_MAX_BYTES", default=50 * 1024**3)
IMPORT_ZIP_MAX_RATIO = env.int("IMPORT_ZIP_MAX_RATIO", default=100)
# Bytes of a CSV that is uploaded or lies in a ZIP.
IMPORT_CSV_MAX_BYTES = env.int("IMPORT_CSV_MAX_BYTES", default=100 * 1024**2)
# Least pixels of an imported picture's shorter side; 0: any.
IMPORT_MIN_SIDE = env.int("IMPORT_MIN_SIDE", default=0)
# Files and bytes of one upload in the admin; hours for which an unfinished upload is kept.
UPLOAD_MAX_FILES = env.int("UPLOAD_MAX_FILES", default=10_000)
UPLOAD_MAX_BYTES = env.int("UPLOAD_MAX_BYTES", default=2 * 1024**3)
UPLOAD_KEEP_HOURS = env.int("UPLOAD_KEEP_HOURS", default=24)
# Files of one request: a browser without JavaScript sends a whole upload in one.
DATA_UPLOAD_MAX_NUMBER_FILES = env.int("DATA_UPLOAD_MAX_NUMBER_FILES", default=1000)
# Folders on the server from which an import started in the admin may read.
IMPORT_ROOTS = env.list("IMPORT_ROOTS", default=[str(VAR_DIR / "import")])

# --- pictures ---------------------------------------------------------------------------------

# Bytes of a file; pixels of a JPEG, and of other formats; pixels of the longer side.
IMAGE_MAX_BYTES = env.int("IMAGE_MAX_BYTES", default=20 * 1024 * 1024)
IMAGE_MAX_PIXELS_JPEG = env.int("IMAGE_MAX_PIXELS_JPEG", default=50_000_000)
IMAGE_MAX_PIXELS = env.int("IMAGE_MAX_PIXELS", default=24_000_000)
IMAGE_MAX_SIDE = env.int("IMAGE_MAX_SIDE", default=32_768)
# The form that sends one photo: the file, and 64 KiB for field names and boundaries.
DATA_UPLOAD_MAX_MEMORY_SIZE = IMAGE_MAX_BYTES + 64 * 1024
# A visitor's photo is never written to disk, so an upload of any size stays in memory.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
FILE_UPLOAD_MAX_MEMORY_SIZE = IMAGE_MAX_BYTES + 64 * 1024

# --- training and versions --------------------------------------------------------------------

# A safetensors file of weights to start training from if the network has no pretrained ones.
PRETRAINED_WEIGHTS = env("PRETRAINED_WEIGHTS", default="")
# Network and side in pixels of its input, for assessments with pretrained weights.
EMBED_ARCH = env("EMBED_ARCH", default="resnet34")
EMBED_SIZE = env.int("EMBED_SIZE", default=128)
DEFAULT_RECIPE = env("DEFAULT_RECIPE", default="quick-look")
# Training pictures that a label needs to be a class of the model.
TRAIN_MIN_IMAGES = env.int("TRAIN_MIN_IMAGES", default=10)
# "auto" (a GPU where there is one), "cpu", "cuda:0", …
TRAIN_DEVICE = env("TRAIN_DEVICE", default="auto")
# Bytes of local disk for decoded training pictures. If they need more, or with 0, every picture is
# decoded again in each epoch.
TRAIN_DECODED_BYTES = env.int("TRAIN_DECODED_BYTES", default=8 * 1024**3)
# How much lower than the active version's a promoted version's accuracy (0 to 1) may be.
PROMOTE_MAX_LOSS = env.float("PROMOTE_MAX_LOSS", default=0.01)

# --- answers ----------------------------------------------------------------------------------

# Seconds after which a web process checks again which version is active and the guide's texts.
MODEL_POLL_SECONDS = env.float("MODEL_POLL_SECONDS", default=2.0)
# Hours for which feedback with the id of an answer is accepted.
ANSWER_ID_HOURS = env.int("ANSWER_ID_HOURS", default=24 * 7)
# Where predictions are computed: "cpu", "cuda" (needs onnxruntime-gpu instead of onnxruntime), or
# "auto": a GPU if ONNX Runtime can use one. Not measured on a GPU.
PREDICT_DEVICE = env("PREDICT_DEVICE", default="auto")
# On a GPU: most photos of one batch, and milliseconds that the first of them waits for others.
PREDICT_BATCH = env.int("PREDICT_BATCH", default=32)
PREDICT_BATCH_MS = env.float("PREDICT_BATCH_MS", default=5.0)
# Predictions that one web process computes, and lets wait, at a time; more are answered with 503.
# WEB_THREADS has to be larger than both together, to leave threads for those answers.
# PREDICT_CONCURRENCY 0: one on a CPU; on a GPU two per core, so that enough photos are decoded at a
# time to fill a batch (which takes memory), and fewer wait.
PREDICT_CONCURRENCY = env.int("PREDICT_CONCURRENCY", default=0)
PREDICT_QUEUE = env.int("PREDICT_QUEUE", default=24)
# Photos, and bytes, of one request for predictions.
PREDICT_MOST_PHOTOS = env.int("PREDICT_MOST_PHOTOS", default=16)
PREDICT_MOST_BYTES = env.int("PREDICT_MOST_BYTES", default=48 * 1024**2)
# Versions besides the active one that a web process keeps loaded for requests that name a version
# (0: such requests are refused), and seconds between two loads once that many are loaded.
MODEL_PINNED_KEPT = env.int("MODEL_PINNED_KEPT", default=2)
MODEL_PINNED_SECONDS = env.float("MODEL_PINNED_SECONDS", default=10.0)
# Newest versions that the API's list of models holds.
MODELS_LISTED = env.int("MODELS_LISTED", default=50)
# Photographs shown beside an explained answer.
EXPLAIN_NEAREST = env.int("EXPLAIN_NEAREST", default=6)
# Licences of photographs that may be shown to everybody, in upper or lower case; "*" at the end
# stands for anything. A photograph of unknown licence is never shown. CC BY-NC is left out,
# because the site may be run commercially.
EXPLAIN_LICENCES = env.list(
    "EXPLAIN_LICENCES",
    default=["CC0*", "PDM*", "Public domain*", "CC BY", "CC BY 1*", "CC BY 2*", "CC BY 3*",
             "CC BY 4*", "CC-BY", "CC-BY-1*", "CC-BY-2*", "CC-BY-3*", "CC-BY-4*", "CC BY-SA*",
             "CC-BY-SA*"],
)  # fmt: skip
# Seconds for which caches keep such a photograph, and a process the list of a type's.
EXPLAIN_CACHE_SECONDS = env.int("EXPLAIN_CACHE_SECONDS", default=30)
# Seconds that an answer waits for an assessment's embeddings from the models storage.
EXPLAIN_FETCH_SECONDS = env.float("EXPLAIN_FETCH_SECONDS", default=3.0)
# Megabytes that photos sent with feedback may take in all; 0: none are kept.
FEEDBACK_PHOTOS_MB = env.int("FEEDBACK_PHOTOS_MB", default=2000)

# --- curation ---------------------------------------------------------------------------------

# Images on one page of the queue.
QUEUE_PAGE_SIZE = env.int("QUEUE_PAGE_SIZE", default=60)
# Seconds for which an image on one curator's page is left out of the others' pages.
QUEUE_CLAIM_SECONDS = env.int("QUEUE_CLAIM_SECONDS", default=300)
# Newest steps that the page for undoing lists.
UNDO_STEPS_SHOWN = env.int("UNDO_STEPS_SHOWN", default=50)
# Images that one bulk decision may name one by one; for more it takes a filter.
DECIDE_LISTED_MOST = env.int("DECIDE_LISTED_MOST", default=10_000)
# Images that one bulk decision may change; others' decisions wait until it is done (about 3,000
# images a second).
BULK_MOST = env.int("BULK_MOST", default=50_000)
# Images that the page about disagreement between curators lists.
AGREEMENT_SHOWN = env.int("AGREEMENT_SHOWN", default=100)
# Values of a facet that are listed; the others are found by typing.
QUEUE_FACET_VALUES = env.int("QUEUE_FACET_VALUES", default=10)
# Images that one request may decide on.
QUEUE_DECIDE_MOST = env.int("QUEUE_DECIDE_MOST", default=500)
# Confirmed examples shown of a type.
QUEUE_EXAMPLES = env.int("QUEUE_EXAMPLES", default=8)
# Copies of one picture shown side by side; each is chosen with a digit key.
QUEUE_COPIES = env.int("QUEUE_COPIES", default=9)
# Pixels of a thumbnail's longer side.
THUMBNAIL_SIDE = env.int("THUMBNAIL_SIDE", default=256)
# Images of one answer of the findings API: by default, and at most.
FINDINGS_PAGE = env.int("FINDINGS_PAGE", default=100)
FINDINGS_PAGE_MOST = env.int("FINDINGS_PAGE_MOST", default=1000)
# Usable images below which the progress page calls a type small.
BOARD_FEW_IMAGES = env.int("BOARD_FEW_IMAGES", default=50)
# Decided images that the progress page needs to show a noise rate.
BOARD_MIN_DECIDED = env.int("BOARD_MIN_DECIDED", default=20)
# Rows of the long tables on the progress page.
BOARD_ROWS = env.int("BOARD_ROWS", default=15)
# Days for which the progress page counts decisions, including today.
BOARD_DAYS = env.int("BOARD_DAYS", default=30)
# Images shown in each list of differences between two snapshots.
SNAPSHOT_COMPARE_SHOWN = env.int("SNAPSHOT_COMPARE_SHOWN", default=60)

# --- assessments ------------------------------------------------------------------------------

# Events after which an assessment is started: import, collection, promotion.
ASSESS_AFTER = env.list("ASSESS_AFTER", default=["import", "collection", "promotion"])
# Images of one chunk of an assessment.
ASSESS_CHUNK = env.int("ASSESS_CHUNK", default=256)
# Other workers that are asked to share the chunks.
ASSESS_HELPERS = env.int("ASSESS_HELPERS", default=8)
# Pixels of the shorter side below which a picture is called tiny.
ASSESS_TINY = env.int("ASSESS_TINY", default=80)

# --- collections ------------------------------------------------------------------------------

# A new picture is compared with the COPY_COMPARED nearest ones by perceptual hash, of at most
# COPY_HASH_DISTANCE differing bits (0 to 7) and COPY_COLOUR difference in mean colour (CIE 1976).
COPY_COMPARED = env.int("COPY_COMPARED", default=12)
COPY_HASH_DISTANCE = env.int("COPY_HASH_DISTANCE", default=6)
COPY_COLOUR = env.float("COPY_COLOUR", default=10.0)
# Images that one collection may ask for.
COLLECT_COUNT_MOST = env.int("COLLECT_COUNT_MOST", default=5000)
# Least pixels of the shorter side of a picture from the web.
COLLECT_MIN_SIDE = env.int("COLLECT_MIN_SIDE", default=150)
# Search engines, in the order in which they are used.
COLLECT_PROVIDERS = env.list("COLLECT_PROVIDERS", default=["duckduckgo", "bing"])
# Use Bing for collections with safe search too; first see that its strict safe search works.
COLLECT_BING_SAFE = env.bool("COLLECT_BING_SAFE", default=False)
# A proxy (http://…) for searches, and a file with the certificate authority that signs for it.
COLLECT_PROXY = env("COLLECT_PROXY", default="")
COLLECT_CA_FILE = env("COLLECT_CA_FILE", default="")
# Seconds within which a search engine has to answer.
COLLECT_SEARCH_SECONDS = env.int("COLLECT_SEARCH_SECONDS", default=15)
# Seconds between two pages of results from one engine, for all collections together; 0 for none.
COLLECT_SEARCH_PAUSE = env.int("COLLECT_SEARCH_PAUSE", default=2)
# Pages of results for one search term.
COLLECT_PAGES = env.int("COLLECT_PAGES", default=20)
# Seconds to wait when an engine refuses further requests without saying for how long; doubled each
# time in a row, up to COLLECT_WAIT_MOST; after COLLECT_WAITS times the collection is paused.
COLLECT_WAIT_SECONDS = env.float("COLLECT_WAIT_SECONDS", default=60.0)
COLLECT_WAIT_MOST = env.float("COLLECT_WAIT_MOST", default=3600.0)
COLLECT_WAITS = env.int("COLLECT_WAITS", default=6)
# Downloads of one collection at a time, and from one host; results downloaded ahead of the one that
# is decided on.
COLLECT_WORKERS = env.int("COLLECT_WORKERS", default=16)
COLLECT_PER_HOST = env.int("COLLECT_PER_HOST", default=2)
COLLECT_WINDOW = env.int("COLLECT_WINDOW", default=64)
# Seconds for one download, and for its connection; its redirects; its tries.
COLLECT_SECONDS = env.float("COLLECT_SECONDS", default=30.0)
COLLECT_CONNECT_SECONDS = env.float("COLLECT_CONNECT_SECONDS", default=5.0)
COLLECT_REDIRECTS = env.int("COLLECT_REDIRECTS", default=5)
COLLECT_TRIES = env.int("COLLECT_TRIES", default=2)
# Ports that downloads may use, and networks they may use although not public, e.g. 10.1.0.0/16.
COLLECT_PORTS = env.list("COLLECT_PORTS", cast=int, default=[80, 443])
COLLECT_PRIVATE = env.list("COLLECT_PRIVATE", default=[])
# Leave out pictures that the server marks with X-Robots-Tag: noai, noimageai or noindex.
COLLECT_ROBOTS = env.bool("COLLECT_ROBOTS", default=True)
# Megabytes that all stored pictures may take; 0 for no limit.
MEDIA_QUOTA_MB = env.int("MEDIA_QUOTA_MB", default=50_000)

# --- accounts and language --------------------------------------------------------------------

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "admin:login"
LANGUAGE_CODE = "en-gb"
TIME_ZONE = env("TIME_ZONE", default="UTC")
USE_I18N = False
USE_TZ = True

# --- web --------------------------------------------------------------------------------------

BEHIND_TLS = env.bool("BEHIND_TLS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
if BEHIND_TLS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
# Sites whose pages may call the API from a browser, such as https://shop.example; "*" for all. Such
# a call carries no cookie, so it has no session.
CORS_ORIGINS = env.list("CORS_ORIGINS", default=[])
CORS_ALLOW_ALL_ORIGINS = "*" in CORS_ORIGINS
CORS_ALLOWED_ORIGINS = [origin for origin in CORS_ORIGINS if origin != "*"]
CORS_URLS_REGEX = r"^/(api|run|models)/"
CORS_ALLOW_HEADERS = [*default_headers, "idempotency-key", "if-none-match"]
CORS_EXPOSE_HEADERS = [
    "ETag", "Retry-After", "Idempotency-Replayed", "RateLimit", "RateLimit-Policy",
    "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset",
]  # fmt: skip

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "shoeproject.api.schema.ApiSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    # Tokens first, so that a 401 names them. Sessions, with CSRF protection, are for the admin.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "classifier.access.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["shoeproject.api.throttles.RateThrottle"],
    "EXCEPTION_HANDLER": "shoeproject.api.problems.handle",
}
# Requests that one address (IPv6: one /64) may send, and that one token or account may; a number
# per s, min, hour or day. An empty text means no limit.
THROTTLE_RATES = {
    # Photos, sent to the API or on the page.
    "predict": (
        env("THROTTLE_PREDICT", default="60/min"),
        env("THROTTLE_PREDICT_TOKEN", default="600/min"),
    ),
    "feedback": (
        env("THROTTLE_FEEDBACK", default="10/min"),
        env("THROTTLE_FEEDBACK_TOKEN", default="120/min"),
    ),
    # Everything else.
    "read": (
        env("THROTTLE_READ", default="300/min"),
        env("THROTTLE_READ_TOKEN", default="1200/min"),
    ),
    "write": (
        env("THROTTLE_WRITE", default="30/min"),
        env("THROTTLE_WRITE_TOKEN", default="300/min"),
    ),
}
# Networks of proxies whose X-Forwarded-For is trusted, such as 10.0.0.0/8; “unix” for a proxy that
# connects over a Unix socket. All visitors behind any other proxy count as one address.
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])
# Days for which a token is valid by default (0: for ever), and at most (0: no limit).
TOKEN_DAYS = env.int("TOKEN_DAYS", default=90)
TOKEN_DAYS_MOST = env.int("TOKEN_DAYS_MOST", default=366)
# Valid tokens that one account may have at a time.
TOKENS_PER_USER = env.int("TOKENS_PER_USER", default=20)
# Hours for which the answer to an Idempotency-Key is kept, and seconds after which the key of a
# request that never ended is free again.
IDEMPOTENCY_HOURS = env.int("IDEMPOTENCY_HOURS", default=24)
IDEMPOTENCY_BUSY_SECONDS = env.int("IDEMPOTENCY_BUSY_SECONDS", default=300)
# Seconds after a failure of the cache for which a web process does without it.
CACHE_RETRY_SECONDS = env.float("CACHE_RETRY_SECONDS", default=5.0)
# Rows of one answer of the curators' API: by default, and at most.
API_PAGE = env.int("API_PAGE", default=100)
API_PAGE_MOST = env.int("API_PAGE_MOST", default=1000)
SPECTACULAR_SETTINGS = {
    "TITLE": "Shoe Type Recognizer",
    "DESCRIPTION": "Send a photo of a shoe, learn its type. And the guide to all types.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "JobState": "shoeproject.jobs.State",
        "ImageState": "curation.models.ShoeImage.State",
        "AccuracyState": "classifier.evaluation.report.STATES",
        "FindingState": ["unreviewed", "confirmed"],
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env("LOG_LEVEL", default="INFO")},
}
