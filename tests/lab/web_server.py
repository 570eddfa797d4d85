"""nginx as operators put it before a node: it ends TLS at port 443, serves pages, and passes one path on as WebSocket."""

import subprocess
from pathlib import Path

from tests.lab.namespaces import LabHost
from tests.lab.waiting import PATIENCE_S, wait_until

PORT = 443

_CONFIGURATION = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log info;
events {{ }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 443 ssl http2;
    listen [::]:443 ssl http2;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    location / {{ return 200 "a page\\n"; }}
    location {path} {{
      proxy_pass http://127.0.0.1:{node_port};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_set_header Host $host;
    }}
  }}
}}
"""


def start_web_server(
    host: LabHost, folder: Path, *, path: str, node_port: int, certificate: tuple[Path, Path]
) -> "subprocess.Popen[str]":
    """Starts nginx, which passes WebSockets at `path` on to the node at a port of the same host."""
    configuration = folder / "nginx.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            folder=folder, path=path, node_port=node_port, certificate=certificate[0], key=certificate[1]
        )
    )
    with (folder / "nginx.out").open("w") as output:
        process = host.start(
            "nginx", "-e", folder / "nginx.log", "-c", configuration, stdout=output, stderr=subprocess.STDOUT
        )
    wait_until(lambda: host.listens(PORT), PATIENCE_S, "nginx listens")
    return process
