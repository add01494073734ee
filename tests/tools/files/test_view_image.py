"""viewImage: whole images of known kinds as data URLs, nothing else, and never decoded."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image
from tests.tools.files.world import text_of, use, world

from toolscript.errors import InvalidArguments, OutputTooLarge, ToolError
from toolscript_tools.image import MAX_BYTES, ViewImage
from toolscript_tools.image_data import image_of

pytestmark = pytest.mark.anyio
view = ViewImage()


def image(kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture = Image.effect_noise((37, 21), 50).convert("P" if kind == "GIF" else "RGB")
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


IMAGES = {
    "png": image("PNG"),
    "jpeg": image("JPEG"),
    "progressive": image("JPEG", progressive=True),
    "gif": image("GIF"),
    "animated": image("GIF", save_all=True, append_images=[Image.new("P", (37, 21), 3)]),
    "webp": image("WEBP"),
    "lossless": image("WEBP", lossless=True),
    "webp with more": image("WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"),
}


@pytest.mark.parametrize("data", IMAGES.values(), ids=IMAGES)
def test_real_images_are_known_with_their_size(data: bytes):
    found = image_of(data)
    assert found is not None
    assert (found.width, found.height) == (37, 21)


@pytest.mark.parametrize("data", IMAGES.values(), ids=IMAGES)
def test_an_image_cut_anywhere_is_no_image(data: bytes):
    for length in range(0, len(data) - 2, max(1, len(data) // 97)):
        assert image_of(data[:length]) is None, length


@pytest.mark.parametrize("name", ["png", "jpeg", "gif", "webp"])
def test_bytes_that_lie_never_raise(name: str):
    data = IMAGES[name]
    for at in range(min(len(data), 300)):
        for value in (0, 0x7F, 0xFF):
            image_of(data[:at] + bytes([value]) + data[at + 1 :])


def test_an_image_that_claims_to_be_enormous_is_refused():
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", 65535, 65535, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    assert image_of(bomb) is None


async def test_an_image_comes_back_byte_for_byte(tmp_path: Path):
    context = world(tmp_path / "w")
    (tmp_path / "w" / "plot.png").write_bytes(IMAGES["png"])
    output = view.spec.output.dump(await use(view, context, path="plot.png"))
    head, _, data = output["imageUrl"].partition(",")
    assert (head, base64.b64decode(data), output["detail"]) == ("data:image/png;base64", IMAGES["png"], "high")
    assert await text_of(view, context, path="plot.png") == "plot.png: image/png, 37 × 21"


@pytest.mark.parametrize(
    ("path", "message", "code"),
    [
        ("gone.png", "unable to locate image at `gone.png`: No such file or directory", "not_found"),
        ("folder", "image path `folder` is not a file", "is_directory"),
        ("text.png", "unable to process image: invalid or unsupported image data", "bad_image"),
        ("page.svg", "unable to process image: invalid or unsupported image data", "bad_image"),
    ],
)
async def test_what_is_no_image_is_told(path: str, message: str, code: str, tmp_path: Path):
    context = world(tmp_path / "w")
    (tmp_path / "w" / "folder").mkdir()
    (tmp_path / "w" / "text.png").write_text("not an image")
    (tmp_path / "w" / "page.svg").write_text("<svg onload='alert(1)'/>")
    with pytest.raises(ToolError) as caught:
        await use(view, context, path=path)
    assert (caught.value.message, caught.value.code) == (message, code)


async def test_an_image_larger_than_a_result_carries_comes_under_a_handle(tmp_path: Path):
    context = world(tmp_path / "w", max_output_bytes=1500)
    data = image("PNG", compress_level=0)
    (tmp_path / "w" / "plot.png").write_bytes(data)
    output = view.spec.output.dump(await use(view, context, path="plot.png"))

    assert "imageUrl" not in output
    assert (output["type"], output["bytes"], context.outputs.read(output["handle"])) == ("image", len(data), data)


async def test_an_image_that_no_provider_takes_is_refused_with_the_limit(tmp_path: Path):
    context = world(tmp_path / "w")
    (tmp_path / "w" / "plot.png").write_bytes(IMAGES["png"].ljust(MAX_BYTES + 1, b"\0"))
    with pytest.raises(OutputTooLarge, match="smaller copy") as caught:
        await use(view, context, path="plot.png")
    assert caught.value.details == {"limit": 3_750_000}


async def test_an_unknown_detail_is_an_invalid_argument(tmp_path: Path):
    with pytest.raises(InvalidArguments, match="detail"):
        await use(view, world(tmp_path / "w"), path="x.png", detail="low")
