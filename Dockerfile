# One image for every service; which one it is, its command says.
FROM python:3.11.13-slim-bookworm AS build
RUN pip install --no-cache-dir "uv==0.13.9"
WORKDIR /opt/outpace
COPY pyproject.toml uv.lock README.md LICENSE NOTICE ./
COPY models models
COPY detector detector
COPY streams streams
COPY simulation simulation
RUN uv sync --frozen --no-dev --no-editable --python /usr/local/bin/python

FROM python:3.11.13-slim-bookworm
RUN useradd --uid 10001 --create-home outpace && install -d -o outpace -g outpace /var/lib/outpace /var/cache/outpace
COPY --from=build /opt/outpace/.venv /opt/outpace/.venv
ENV PATH=/opt/outpace/.venv/bin:$PATH NUMBA_CACHE_DIR=/var/cache/outpace PYTHONUNBUFFERED=1
USER outpace
WORKDIR /var/lib/outpace
# Compiled here, the first event need not wait for it.
RUN python -c "import detector.scoring"
VOLUME /var/lib/outpace
EXPOSE 9464
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464/health/live', timeout=4)"]
CMD ["outpace", "--help"]
