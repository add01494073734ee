"""Which images of a result are shown to a model, and that nothing which only claims to be one is."""

from __future__ import annotations

import base64

import pytest

from toolscript.agent.pictures import MAX_BYTES, MAX_IMAGES, pictured, without_urls
from toolscript.errors import ToolError

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
URL = "data:image/png;base64," + base64.b64encode(PNG).decode()


def fetch(handle):
    if handle != "out-1":
        raise ToolError("gone", code="not_found")
    return PNG


def test_a_data_url_anywhere_in_a_result_is_shown_beside_the_text():
    shown = pictured({"plots": [{"imageUrl": URL, "width": 1}], "n": 1}, fetch)

    assert shown.value == {"plots": [{"imageUrl": "[image 1]", "width": 1}], "n": 1}
    assert shown.images == (URL,)


def test_the_blocks_of_a_server_are_shown_whether_inline_or_behind_a_handle():
    inline = {"type": "image", "mimeType": "image/png", "data": base64.b64encode(PNG + b"2").decode()}
    apart = {"type": "image", "mimeType": "image/png", "handle": "out-1", "bytes": 14}

    shown = pictured([inline, apart], fetch)

    assert shown.value == [inline | {"data": "[image 1]"}, apart | {"shown": "[image 2]"}]
    assert len(shown.images) == 2
    assert shown.images[1] == URL


@pytest.mark.parametrize(
    "value",
    [
        "see " + URL,
        "data:image/png;base64,aGFjaw==",
        "data:image/png;base64,%%%",
        "data:image/svg+xml;base64," + base64.b64encode(b"<svg onload=x>").decode(),
        "data:text/html;base64,PGI+",
        {"type": "image", "data": "no base64!"},
        {"type": "image", "handle": "out-9"},
        {"type": "image"},
        {"type": "image", "data": 7, "handle": None},
        "data:image/png;base64," + base64.b64encode(PNG + bytes(MAX_BYTES)).decode(),
        "data:image/webp;base64," + base64.b64encode(b"RIFF....WAVE").decode(),
        None,
        [1, True, 2.5],
    ],
)
def test_what_is_no_image_stays_as_it_is(value):
    assert pictured(value, fetch) == pictured(value, fetch).__class__(value, ())


def test_the_kind_is_what_the_bytes_say():
    (url,) = pictured(URL.replace("png", "gif"), fetch).images

    assert url == URL


def test_one_output_shows_a_bounded_number_and_the_same_image_once():
    many = ["data:image/gif;base64," + base64.b64encode(b"GIF89a" + bytes([n])).decode() for n in range(MAX_IMAGES + 3)]

    shown = pictured([*many, many[0]], fetch)

    assert len(shown.images) == MAX_IMAGES
    assert shown.value[-1] == "[image 1]"
    assert "beyond" in shown.value[-2]


def test_the_text_of_a_call_names_the_images_instead_of_holding_them():
    assert without_urls(f'[{{"image_url": "{URL}"}}]', (URL,)) == '[{"image_url": "[image 1]"}]'
