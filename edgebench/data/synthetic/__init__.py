"""Generated data sets: shipped as code, any size, every image made alone from (seed, split, number).

    synthetic:shapes     an object on a cluttered ground; classes differ by its outline and by the fine pattern on it
    synthetic:textures   the whole image is one material; classes differ by its structure

Pose, scale, colour, lighting, clutter and noise are at random, so a linear classifier on pixels finds little. The
pattern's pitch is a share of the image, so it is lost where an image is reduced to a few pixels. Classes do not depend
on the seed: another seed gives other images of the same classes.
"""

from edgebench.data.synthetic.reference import SETS, SPLITS, is_synthetic, load

__all__ = ["SETS", "SPLITS", "is_synthetic", "load"]
