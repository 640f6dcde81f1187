from __future__ import annotations

import hashlib
import http.server
import threading

import pytest

from mfnet_lite.sam.download import RemoteFile, download

CONTENT = bytes(range(256)) * 40_000  # 10 MB, ten chunks
SIZE = len(CONTENT)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT as its server's ``mode`` says, and notes the ranges asked for."""

    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        body, status = server.content, 200
        if asked and server.mode != "no range":
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                self.send_error(416)
                return
            body, status = body[start:], 206
        if server.mode == "missing":
            self.send_error(404)
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.mode == "break":
            server.mode = "good"
            body = body[: len(body) // 3]
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.mode, server.asked, server.content = "good", [], CONTENT
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def remote(server, sha256=DIGEST, size=SIZE):
    return RemoteFile(f"http://127.0.0.1:{server.server_port}/model.pth", sha256, size)


def test_whole_file(server, tmp_path, capfd):
    folder = tmp_path / "new" / "cache"
    path = download(remote(server), folder)
    assert path == folder / "model.pth"
    assert path.read_bytes() == CONTENT
    assert [p.name for p in folder.iterdir()] == ["model.pth"]
    assert "100%" in capfd.readouterr().err  # the progress bar


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_interrupted_then_resumed(server, tmp_path, size):
    server.mode = "break"
    with pytest.raises(ConnectionError, match=r"\((the )?connection .*; model\.pth\.part keeps"):
        download(remote(server, size=size), tmp_path)
    part = tmp_path / "model.pth.part"
    kept = part.stat().st_size
    assert 0 < kept < len(CONTENT)
    assert [p.name for p in tmp_path.iterdir()] == ["model.pth.part"]
    path = download(remote(server, size=size), tmp_path)
    assert server.asked == [None, f"bytes={kept}-"]
    assert path.read_bytes() == CONTENT
    assert not part.exists()


def test_clean_restart_when_the_server_knows_no_ranges(server, tmp_path):
    (tmp_path / "model.pth.part").write_bytes(CONTENT[:1000])
    server.mode = "no range"
    assert download(remote(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"]


def test_part_longer_than_the_file(server, tmp_path):
    part = tmp_path / "model.pth.part"
    part.write_bytes(CONTENT + b"more")
    assert download(remote(server), tmp_path).read_bytes() == CONTENT
    (tmp_path / "model.pth").unlink()
    part.write_bytes(CONTENT + b"more")
    assert download(remote(server, size=None), tmp_path).read_bytes() == CONTENT


def test_complete_part_needs_no_server(server, tmp_path):
    (tmp_path / "model.pth.part").write_bytes(CONTENT)
    assert download(remote(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == []


@pytest.mark.parametrize("wrong", ["hash", "size", "part"])
def test_wrong_content_is_removed(server, tmp_path, wrong):
    what = remote(server)
    if wrong == "hash":
        what = remote(server, sha256="ab" * 32)
    elif wrong == "size":
        server.content = CONTENT + b"x"
    else:
        (tmp_path / "model.pth.part").write_bytes(b"not its beginning")
    with pytest.raises(
        ValueError, match=r"is not model\.pth: expected \d+ bytes .* found \d+"
    ) as e:
        download(what, tmp_path)
    assert "\n" not in str(e.value)
    assert list(tmp_path.iterdir()) == []
    if wrong == "part":  # the next call starts clean
        assert download(what, tmp_path).read_bytes() == CONTENT


def test_no_network_and_refusals(server, tmp_path):
    server.mode = "missing"
    with pytest.raises(ConnectionError, match=r"the server answered 404\); call again"):
        download(remote(server), tmp_path)
    closed = RemoteFile("http://127.0.0.1:9/model.pth", DIGEST)
    with pytest.raises(ConnectionError, match="no connection") as caught:
        download(closed, tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(server, tmp_path):
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "cache"):
        with pytest.raises(ValueError, match=r"cannot be made the folder of .*MFNET_LITE_CACHE"):
            download(remote(server), folder)
