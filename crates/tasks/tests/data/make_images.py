"""Makes the images in images/. Run with Python 3, numpy 2.4.6 and Pillow 13.0.0.

expected.npz holds what Pillow reads from each as [height, width, channels], and `resized`, the JPEG by its BILINEAR.
"""

from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent / "images"
HERE.mkdir(exist_ok=True)
y, x = np.mgrid[0:12, 0:16]
smooth = np.stack([x * 15, y * 20, (x + y) * 9], axis=-1).astype(np.uint8)
expected = {}


def save(name, image, **options):
    image.save(HERE / name, **options)
    read = Image.open(HERE / name)
    read = read if read.mode in ("L", "RGB") else read.convert("L" if read.mode == "1" else "RGB")
    expected[name] = np.asarray(read).reshape(read.height, read.width, -1)


rgb = Image.fromarray(smooth)
save("rgb.jpg", rgb, quality=95, subsampling=0)
save("progressive.jpg", rgb, quality=95, subsampling=0, progressive=True)
save("grey.jpg", rgb.convert("L"), quality=95)
save("rgb.png", rgb)
save("grey.png", rgb.convert("L"))
save("small.png", rgb.crop((0, 0, 3, 2)))
save("palette.png", rgb.quantize(8))
save("two_levels.png", rgb.convert("1"))
opaque = rgb.copy()
opaque.putalpha(255)
save("opaque.png", opaque)
transparent = rgb.copy()
transparent.putalpha(128)
transparent.save(HERE / "transparent.png")
Image.fromarray((smooth[..., 0].astype(np.uint16) * 257)).save(HERE / "deep.png")
rgb.convert("CMYK").save(HERE / "cmyk.jpg")
expected["resized"] = np.asarray(rgb.resize((7, 5), Image.Resampling.BILINEAR))
expected["enlarged"] = np.asarray(rgb.resize((21, 30), Image.Resampling.BILINEAR))
np.savez(HERE / "expected.npz", **expected)
