# Two images: `web` for the web server, short tasks and the scheduler; `train` adds torch.
#
#     docker build --target web -t shoes-web .
#     docker build --target train -t shoes-train --build-arg TORCH_INDEX=... .

FROM python:3.11-slim-bookworm AS web-packages
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --system --uid 10001 --home-dir /srv --no-create-home shoes
WORKDIR /srv/app
COPY requirements-web.txt ./
RUN pip install -r requirements-web.txt

FROM web-packages AS train-packages
# Another package index, for torch and torchvision alone; see the Makefile.
ARG TORCH_INDEX=""
COPY requirements.txt ./
RUN if [ -n "$TORCH_INDEX" ]; then \
        pip install --no-deps --index-url "$TORCH_INDEX" \
            $(grep -E '^torch(vision)?==' requirements.txt); \
    fi && pip install -r requirements.txt

FROM web-packages AS web
# By default each thread may have a heap of its own, each with memory of past photos.
ENV VAR_DIR=/srv/var MALLOC_ARENA_MAX=2
COPY . .
# The static files belong to the code, so they are in the image. The other folders are mount points:
# a new volume takes over their owner.
RUN mkdir -p /srv/var/run /srv/var/log /srv/var/media /srv/var/models /srv/var/cache \
        /srv/var/import \
    && SECRET_KEY=none-is-needed-to-collect-files python manage.py collectstatic --no-input \
    && chown -R shoes: /srv/var
USER shoes
EXPOSE 8000
# The number of processes is gunicorn's WEB_CONCURRENCY; for that of threads it has no variable. The
# arguments are those of shoeproject/up/programs.py, which gives the reasons.
CMD exec gunicorn shoeproject.wsgi --bind 0.0.0.0:8000 --worker-class gthread \
    --threads "${WEB_THREADS:-32}" --timeout 60 --keep-alive 15 --worker-tmp-dir /dev/shm \
    --no-control-socket

FROM train-packages AS train
ENV VAR_DIR=/srv/var
COPY --from=web /srv /srv
USER shoes
CMD ["celery", "-A", "shoeproject", "worker", "-Q", "train", "-n", "train@%h", "--pool", "solo"]
