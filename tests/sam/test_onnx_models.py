"""SAM as two ONNX files: the wrappers give the official answers, the files give the wrappers', or are not written."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from segment_anything.utils.onnx import SamOnnxModel

from mfnet_lite.sam import build_sam, embed_images, onnx_models, predict_masks
from mfnet_lite.sam.onnx_models import OnnxDecoder, OnnxEncoder, export_sam, padded_image
from mfnet_lite.utils.onnx_files import open_onnx
from tests.small_sam import SMALLEST

EXTRA = "needs onnx, onnxscript and onnxruntime (the extra onnx)"


@pytest.fixture
def sam():
    return build_sam(SMALLEST, seed=0)


@pytest.fixture
def image():
    return 255 * torch.rand(3, 24, 32, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_a_padded_image_is_embedded_as_sam_embeds_it(sam, image):
    expected = embed_images(sam, image[None])
    torch.testing.assert_close(
        OnnxEncoder(sam)(padded_image(sam, image)), expected, atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize(
    ("points", "labels", "fed_back"),
    [
        ([[3, 9], [0, 0]], [1, -1], False),
        ([[3, 9], [20, 4], [0, 0]], [1, 0, -1], True),
        ([[4, 5], [25, 20]], [2, 3], False),
    ],
)
@torch.no_grad()
def test_decoder_gives_the_answers_of_metas_own_export(sam, image, points, labels, fed_back):
    embedding = embed_images(sam, image[None])
    coords, kinds = torch.tensor([points]).float(), torch.tensor([labels]).float()
    mask = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(2))
    has = torch.tensor([float(fed_back)])
    masks, iou = OnnxDecoder(sam)(embedding, coords, kinds, mask, has)
    official = SamOnnxModel(sam, return_single_mask=False)
    size = torch.tensor([32, 32])
    _, scores, low = official(embedding, coords, kinds, mask, has, size)
    torch.testing.assert_close(masks, low, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(iou, scores, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_decoder_gives_our_answers(sam, image):
    embedding = embed_images(sam, image[None])
    point = torch.tensor([[[[7.0, 11.0]]]])
    ours = predict_masks(
        sam, embedding, points=point, labels=torch.ones(1, 1, 1).long(), multimask=None
    )
    coords = torch.tensor([[[7.0, 11.0], [0.0, 0.0]]])
    masks, iou = OnnxDecoder(sam)(
        embedding, coords, torch.tensor([[1.0, -1.0]]), torch.zeros(1, 1, 16, 16), torch.zeros(1)
    )
    torch.testing.assert_close(masks, ours.masks[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(iou, ours.iou[0], atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_files_are_written_whole_or_not_at_all(sam, image, tmp_path: Path, monkeypatch):
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name, reason=EXTRA)
    files = tmp_path / "new" / "encoder.onnx", tmp_path / "new" / "decoder.onnx"
    images = [padded_image(sam, image)]
    agreement = export_sam(sam, *files, images)
    assert agreement.difference < 1e-3
    assert agreement.decisions == 2 * 5 * 4 * 16 * 16
    assert {file.name for file in files[0].parent.iterdir()} == {file.name for file in files}

    # any number of points, and a picture that was not compared
    session = open_onnx(files[1])
    with torch.no_grad():
        embedding = OnnxEncoder(sam)(images[0].flip(-1))
        for n in (1, 4, 7):
            blank = torch.zeros(1, 1, 16, 16), torch.zeros(1)
            given = (embedding, torch.rand(1, n, 2) * 32, torch.ones(1, n), *blank)
            values = {
                entry.name: x.numpy() for entry, x in zip(session.get_inputs(), given, strict=True)
            }
            expected = OnnxDecoder(sam)(*given)[0]
            found = torch.from_numpy(session.run(["low_res_masks"], values)[0])
            torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)

    before = [file.read_bytes() for file in files]

    class Wrong(OnnxEncoder):
        """Exports as it should, and answers otherwise."""

        def forward(self, image):
            return super().forward(image) + (0 if torch.compiler.is_compiling() else 1)

    monkeypatch.setattr(onnx_models, "OnnxEncoder", Wrong)
    with pytest.raises(ValueError, match="image_embeddings of the ONNX file is not the network's"):
        export_sam(sam, *files, images)
    assert [file.read_bytes() for file in files] == before
    assert len(list(files[0].parent.iterdir())) == 2
