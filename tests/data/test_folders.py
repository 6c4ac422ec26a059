"""Folders of images: classes, splits, and what is refused in one sentence."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from edgebench.data import load, splits
from edgebench.data.folders import shown_endings
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Preprocessing

if TYPE_CHECKING:
    from conftest import MakeFolder


def test_classes_are_the_training_folders_names_and_labels_their_numbers(make_folder: MakeFolder) -> None:
    folder = str(make_folder({"train/cat": 2, "train/dog": 3, "train/owl": 1, "val/dog": 1, "val/owl": 2}))
    held = load(folder)
    assert (held.name, held.split, held.reference) == ("photos", "val", folder)
    assert held.classes == ("cat", "dog", "owl")
    assert held.labels.tolist() == [1, 2, 2]
    assert len(load(folder, split="train")) == 6
    assert splits(folder) == ("train", "val")


def test_pixels_are_the_files(make_folder: MakeFolder) -> None:
    dataset = load(str(make_folder({"val/cat": 1, "val/dog": 1})))
    pixels = dataset.pixels(1)
    assert pixels.shape == (10, 12, 3)
    assert pixels.dtype == np.uint8
    assert dataset.where(1).endswith("val/dog/000.png")


def test_val_is_test_where_only_that_is_there(make_folder: MakeFolder) -> None:
    folder = str(make_folder({"train/a": 1, "train/b": 1, "test/a": 1, "test/b": 1}))
    assert load(folder).split == "test"
    with pytest.raises(UsageError, match="it has train, test"):
        load(folder, split="all")


def test_a_folder_without_splits_holds_a_fifth_of_every_class_out(make_folder: MakeFolder) -> None:
    folder = str(make_folder({"cat": 10, "dog": 5}))
    held, rest, whole = (load(folder, split=split) for split in ("val", "train", "all"))
    assert np.bincount(held.labels).tolist() == [2, 1]
    assert sorted([*held.indices, *rest.indices]) == whole.indices.tolist()
    assert not np.array_equal(held.indices, load(folder, seed=1).indices)
    assert splits(folder) == ("all",)


def test_hidden_files_links_and_others_are_left_out(make_folder: MakeFolder) -> None:
    folder = make_folder({"val/cat": 1, "val/dog": 1})
    cat = folder / "val" / "cat"
    (cat / "link.png").symlink_to(cat / "000.png")
    shutil.copy(cat / "000.png", cat / ".hidden.png")
    (cat / "notes.txt").write_text("not an image")
    (folder / "val" / ".cache").mkdir()
    (folder / "val" / "loop").symlink_to(folder / "val", target_is_directory=True)
    assert len(load(str(folder))) == 2
    assert load(str(folder)).classes == ("cat", "dog")


def test_calibration_takes_any_folder_with_images(make_folder: MakeFolder) -> None:
    folder = make_folder({"": 3})
    assert len(load(str(folder), split="all", labelled=False)) == 3
    with pytest.raises(UsageError, match="in folders named by class"):
        load(str(folder))


def test_what_cannot_be_told_apart_is_refused(make_folder: MakeFolder) -> None:
    with pytest.raises(UsageError, match="has one class, cat"):
        load(str(make_folder({"val/cat": 2}, "one")))
    with pytest.raises(UsageError, match=r"class folder .*dog holds no images"):
        load(str(make_folder({"val/cat": 2, "val/dog": 0}, "empty")))
    with pytest.raises(UsageError, match="holds no images"):
        load(str(make_folder({"val": 0}, "none")))
    with pytest.raises(UsageError, match=r"has the class owl, and .*train has not"):
        load(str(make_folder({"train/cat": 1, "train/dog": 1, "val/owl": 1, "val/cat": 1}, "other")))
    with pytest.raises(UsageError, match="does not exist"):
        load("no/such/folder")
    with pytest.raises(UsageError, match="unknown split 'vla'"):
        load("synthetic:shapes", split="vla")


def test_the_identity_is_of_the_contents_and_not_of_the_place(make_folder: MakeFolder) -> None:
    counts = {"val/cat": 2, "val/dog": 2}
    folder = make_folder(counts)
    copy = folder.parent / "elsewhere"
    shutil.copytree(folder, copy)
    assert load(str(folder)).identity == load(str(copy)).identity
    shutil.copy(copy / "val/cat/000.png", copy / "val/dog/000.png")
    assert load(str(folder)).identity != load(str(copy)).identity


@pytest.mark.parametrize(("name", "size"), [("a.png", 50_000), ("a.bmp", 3 * 2**20)])
def test_a_byte_changed_in_the_middle_of_a_file_makes_other_images(
    name: str, size: int, make_folder: MakeFolder
) -> None:
    folder = make_folder({"val/cat": 1, "val/dog": 1})
    file = folder / "val" / "cat" / name
    content = bytearray(size)
    file.write_bytes(content)
    before = load(str(folder)).identity
    assert load(str(folder)).identity == before
    content[size // 2 + 5000] = 1
    file.write_bytes(content)
    assert load(str(folder)).identity != before


def test_of_a_large_photograph_both_ends_and_pieces_between_count(make_folder: MakeFolder) -> None:
    folder = make_folder({"val/cat": 1, "val/dog": 1})
    size, found = 2 * 2**20, set()
    for changed in (None, 0, size - 1, (size - 4096) * 7 // 15 + 100):
        content = bytearray(size)
        if changed is not None:
            content[changed] = 1
        (folder / "val" / "cat" / "large.jpg").write_bytes(content)
        found.add(load(str(folder)).identity)
    assert len(found) == 4


def test_images_are_known_by_their_content_where_the_ending_is_none(make_folder: MakeFolder) -> None:
    folder = make_folder({"cat": 2, "dog": 2})
    for name in ("a", "a.JPG_large", "a.jfif", "a.heic"):
        Image.new("RGB", (9, 9)).save(folder / "cat" / name, "JPEG")
    (folder / "dog" / "notes.txt").write_text("no image")
    (folder / "dog" / "raw").write_bytes(b"\0" * 20)
    (folder / "dog" / "b.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (folder / "README").write_text("beside the classes")
    whole = load(str(folder), split="all")
    assert np.bincount(whole.labels).tolist() == [6, 2]
    assert whole.left_out == {".txt": 1, "no ending": 1, ".heic": 1}
    assert shown_endings(whole.left_out) == "1 .heic, 1 .txt, 1 with no ending"
    assert whole.take(whole.indices[:1]).left_out == whole.left_out


def test_a_folder_of_other_files_says_what_is_in_it(make_folder: MakeFolder) -> None:
    folder = make_folder({"cat": 0, "dog": 0})
    (folder / "cat" / "b.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(UsageError, match=r"holds no images in folders named by class; there are 1 \.heic: give"):
        load(str(folder))


def test_turned_images_are_counted_and_turned_where_asked_for(make_folder: MakeFolder) -> None:
    folder = make_folder({"cat": 2, "dog": 2})
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (12, 10)).save(folder / "dog/turned.png", exif=exif)
    whole = load(str(folder), split="all")
    upright = Preprocessing(resize=8, crop=8, interpolation="bilinear", mean=(0.0,), std=(1.0,), exif=True)
    turned = whole.prepared(upright)
    assert ([each.turned for each in whole.heads].count(True), len(whole)) == (1, 5)
    assert (whole.pixels(4).shape, turned.pixels(4).shape) == ((10, 12, 3), (12, 10, 3))
    assert whole.identity != turned.identity
    assert whole.prepared(None) is whole
