"""Imports of ZIPs and of web addresses: what is taken in and what is refused."""

import http.server
import io
import stat
import struct
import threading
import time
import zipfile
from contextlib import contextmanager

import pytest
from django.core.management import CommandError, call_command

from curation.decisions import purge
from curation.imports.run import import_images
from curation.models import Import, ShoeImage
from shoeproject import jobs
from tests import decisions
from tests.drawing import encoded, shoe
from tests.factories import jpeg, shoe_type, stored_image

pytestmark = pytest.mark.django_db


def run(path, **fields) -> Import:
    job = Import.objects.create(path=str(path), **fields)
    jobs.perform(Import, job.pk, import_images)
    job.refresh_from_db()
    return job


@pytest.fixture
def pack(tmp_path):
    """A function that writes a ZIP of {name: bytes, or (ZipInfo's changes, bytes)}."""

    def make(files, name="shoes.zip", compress=zipfile.ZIP_STORED):
        with zipfile.ZipFile(tmp_path / name, "w", compress) as archive:
            for path, data in files.items() if isinstance(files, dict) else files:
                archive.writestr(path, data)
        return tmp_path / name

    return make


def names(report) -> dict:
    return {problem["path"]: problem["code"] for problem in report["problems"]}


def labels() -> list:
    return sorted(ShoeImage.objects.values_list("label__slug", flat=True))


# --- ZIP --------------------------------------------------------------------------------------


def test_a_zip_with_a_folder_for_each_label(pack):
    job = run(pack({"chelsea-boots/a.jpg": jpeg(1), "Old skool/b.jpg": jpeg(2)}), licence="CC0")
    assert (job.state, job.report["added"], job.progress_done) == ("done", 2, 2)
    assert labels() == ["chelsea-boots", "old-skool"]
    assert ShoeImage.objects.filter(licence="CC0", imported_by=job).count() == 2


@pytest.mark.parametrize(
    "path",
    [
        "uggs/a.jpg",
        "my shoes/uggs/a.jpg",
        "my shoes/2024/train/uggs/a.jpg",
        "valid/uggs/more/a.jpg",
    ],
)
def test_a_folder_around_everything_is_no_label(pack, path):
    other = path.replace("uggs", "sneakers").replace("valid/", "train/")
    assert run(pack({path: jpeg(1), other: jpeg(2)})).report["added"] == 2
    assert labels() == ["sneakers", "uggs"]


def test_stray_and_hostile_names_beside_the_outer_folder_do_no_harm(pack):
    files = {"my/uggs/a.jpg": jpeg(1), "my/hover/b.jpg": jpeg(2), "my/c.jpg": jpeg(3)}
    report = run(pack(files | {"d.jpg": jpeg(4), "../e.jpg": jpeg(5)})).report
    assert (report["added"], report["unknown_labels"]) == (1, {"hover": 1})
    assert names(report) == {"my/c.jpg": "no-label", "d.jpg": "no-label", "../e.jpg": "odd-name"}


def test_where_no_folder_names_a_type_the_folders_that_differ_are_reported(pack):
    report = run(pack({"my/pics/hover/a.jpg": b"x", "my/pics/roller/b.jpg": b"x"})).report
    assert report["unknown_labels"] == {"hover": 1, "roller": 1}
    assert run(pack({"hover/a.jpg": b"x"})).report["unknown_labels"] == {"hover": 1}


@pytest.mark.parametrize("top", ["", "all/"])
def test_a_csv_beside_its_pictures(pack, top):
    files = {f"{top}list.csv": "path,class\na.jpg,uggs\n", f"{top}a.jpg": jpeg(1)}
    assert run(pack({"README.md": b"x"} | files)).report["added"] == 1


def test_a_single_label_folder_is_not_taken_for_an_outer_folder(pack):
    run(pack({"uggs/front/a.jpg": jpeg(1), "uggs/side/b.jpg": jpeg(2)}))
    assert labels() == ["uggs", "uggs"]


def test_a_csv_at_the_top_of_a_zip(pack):
    text = (
        "path;class;group;source;licence;title;page_url\n"
        "pics\\a.jpg;Uggs;p1;shop;CC0;Warm;https://shop.example/1\n"
        "pics/none.jpg;Uggs;;;;;\n"
    )
    job = run(pack({"all/list.csv": text, "all/pics/a.jpg": jpeg(1), "all/pics/b.jpg": jpeg(2)}))
    assert (job.report["added"], names(job.report)) == (1, {"pics/none.jpg": "unreadable"})
    image = ShoeImage.objects.get()
    assert (image.group, image.licence, image.title) == ("shop:p1", "CC0", "Warm")
    assert (image.page_url, image.domain) == ("https://shop.example/1", "shop.example")


def test_one_label_for_all_of_a_zip(pack):
    job = run(pack({"a.jpg": jpeg(1), "x/y/b.jpg": jpeg(2)}), label=shoe_type("uggs"))
    assert (job.report["added"], labels()) == (2, ["uggs", "uggs"])


def test_what_lies_in_no_folder_and_unknown_folders_are_reported(pack):
    report = run(pack({"a.jpg": jpeg(1), "uggs/b.jpg": jpeg(2), "hover/c.jpg": jpeg(3)})).report
    assert (report["added"], report["unknown_labels"]) == (1, {"hover": 1})
    assert names(report) == {"a.jpg": "no-label"}


def test_other_files_are_ignored_and_inner_archives_are_reported(pack):
    inner = pack({"uggs/a.jpg": jpeg(5)}, "inner.zip").read_bytes()
    report = run(
        pack({
            "__MACOSX/uggs/._a.jpg": b"x", "uggs/.DS_Store": b"x", "uggs/": b"",
            "uggs/Thumbs.db": b"x", "README.md": b"x", "uggs/inner.zip": inner,
            "uggs/film.mp4": b"x", "uggs/a.jpg": jpeg(1),
        })
    ).report  # fmt: skip
    assert report["added"] == 1
    assert names(report) == {"uggs/inner.zip": "archive", "uggs/film.mp4": "image_unsupported"}


@pytest.mark.parametrize(
    "name",
    ["../uggs/a.jpg", "uggs/../../a.jpg", "/uggs/a.jpg", "C:\\uggs\\a.jpg", "uggs\\..\\..\\a.jpg",
     "uggs/a\x07.jpg"],
)  # fmt: skip
def test_hostile_names_are_refused(pack, name):
    assert list(names(run(pack([(name, jpeg(1))])).report).values()) == ["odd-name"]
    assert ShoeImage.objects.count() == 0


def test_a_nul_in_a_name_is_refused(pack):
    file = pack({"uggs/aXjpg": jpeg(1)})
    file.write_bytes(file.read_bytes().replace(b"uggs/aXjpg", b"uggs/a\0jpg"))
    assert list(names(run(file).report).values()) == ["odd-name"]


def special(name, mode):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o600, stat.S_IFDIR | 0o700])
def test_links_and_special_files_are_refused(pack, mode):
    file = pack([(special("uggs/a.jpg", mode), b"/etc/passwd"), ("uggs/b.jpg", jpeg(1))])
    report = run(file).report
    assert (report["added"], names(report)) == (1, {"uggs/a.jpg": "not-a-file"})


def test_of_two_files_with_one_name_the_first_counts(pack):
    with pytest.warns(UserWarning, match="Duplicate"):
        file = pack([("uggs/a.jpg", jpeg(1)), ("uggs/a.jpg", jpeg(2))])
    report = run(file).report
    assert (report["added"], names(report)) == (1, {"uggs/a.jpg": "duplicate-name"})


def test_encrypted_entries_and_other_compressions_are_refused(pack):
    file = pack({"uggs/a.jpg": jpeg(1), "uggs/b.jpg": jpeg(2)})
    data = bytearray(file.read_bytes())
    line = data.index(b"PK\x01\x02")
    data[line + 8] |= 1  # the directory's flag of a password
    second = data.index(b"PK\x01\x02", line + 4)
    struct.pack_into("<H", data, second + 10, 14)  # LZMA, whose dictionary may take gigabytes
    file.write_bytes(data)
    report = run(file).report
    assert names(report) == {"uggs/a.jpg": "encrypted", "uggs/b.jpg": "packing"}


def test_a_damaged_entry_is_refused_alone(pack):
    file = pack({"uggs/a.jpg": jpeg(1), "uggs/b.jpg": jpeg(2)})
    data = bytearray(file.read_bytes())
    data[200] ^= 0xFF
    file.write_bytes(data)
    report = run(file).report
    assert (report["added"], names(report)) == (1, {"uggs/a.jpg": "damaged"})


def test_an_entry_of_wrong_declared_size_counts_as_damaged(pack):
    file = pack({"uggs/a.jpg": b"\0" * 30_000_000}, compress=zipfile.ZIP_DEFLATED)
    data = file.read_bytes()
    said = struct.pack("<L", 30_000_000)
    file.write_bytes(data.replace(said, struct.pack("<L", 1000)))
    assert names(run(file).report) == {"uggs/a.jpg": "damaged"}


def test_an_entry_that_is_too_large_is_refused_unread(pack, settings):
    settings.IMAGE_MAX_BYTES = 1000
    assert names(run(pack({"uggs/a.jpg": jpeg(1)})).report) == {"uggs/a.jpg": "image_too_large"}


def test_a_zip_bomb_is_refused_as_a_whole(pack, settings):
    file = pack({f"uggs/{n}.bmp": b"\0" * 5_000_000 for n in range(5)}, compress=8)
    assert "times its size, which no pictures do" in run(file).error
    settings.IMPORT_ZIP_MAX_BYTES = 1024**2
    assert "1.0 GB" not in (error := run(file).error)
    assert "GB are allowed; import it in parts" in error


def test_overlapping_entries_count_each(pack, settings):
    """The bomb that needs no nesting: many lines of the directory name one place."""
    file = pack({"uggs/a.jpg": b"\0" * 200_000}, compress=zipfile.ZIP_DEFLATED)
    data = file.read_bytes()
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    line, many = data[start:end], 2000
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, many, many, len(line) * many, start, 0)
    file.write_bytes(data[:start] + line * many + tail)
    assert "times its size" in run(file).error


def test_the_number_of_entries_is_limited_by_the_setting(pack, settings):
    settings.IMPORT_MAX_ENTRIES = 5
    files = {f"uggs/{n}.jpg": jpeg(n) for n in range(6)}
    last = files.popitem()
    assert run(pack(files)).report["added"] == 5
    job = run(pack(files | dict([last])))
    assert job.state == "failed"
    assert "more than 5 files; import it in parts" in job.error


def test_entries_are_counted_where_the_directory_declares_a_wrong_number(pack, settings):
    settings.IMPORT_MAX_ENTRIES = 5
    file = pack({f"uggs/{n}.jpg": b"x" for n in range(50)})
    data = bytearray(file.read_bytes())
    struct.pack_into("<2H", data, data.index(b"PK\x05\x06") + 8, 1, 1)
    file.write_bytes(data)
    assert "more than 5 files" in run(file).error


def test_a_zip64_is_read(tmp_path):
    """65,536 entries and more need ZIP64."""
    data = jpeg(1)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(70_000):
            archive.writestr(f"uggs/{number}.txt", b"")
        archive.writestr("uggs/a.jpg", data)
    assert run(tmp_path / "a.zip").report["added"] == 1


@pytest.mark.parametrize(
    "cut", [lambda d: b"", lambda d: b"PK", lambda d: d[:-30], lambda d: d[:500], lambda d: d[100:]]
)
def test_a_file_that_is_no_zip_fails_with_one_sentence(pack, cut):
    file = pack({"uggs/a.jpg": jpeg(1)})
    file.write_bytes(cut(file.read_bytes()))
    job = run(file)
    assert job.state == "failed" or names(job.report) == {"uggs/a.jpg": "damaged"}
    assert "An error nobody foresaw" not in job.error


def test_a_zip_with_changed_bytes_raises_only_known_errors(pack):
    good = pack({"uggs/a.jpg": jpeg(1)[:200], "x/list.csv": "path,class\n"}).read_bytes()
    for place in range(0, len(good), 3):
        bad = bytearray(good)
        bad[place] ^= 0xA5
        (file := pack({}, "bad.zip")).write_bytes(bad)
        assert "nobody foresaw" not in run(file).error, place


def test_a_zip_without_pictures_says_what_it_needs(pack):
    assert "a folder of pictures for each label" in run(pack({"README.md": b"x"})).error


# --- near copies, small pictures, taking up again -----------------------------------------------


def near_copy(seed) -> bytes:
    return encoded(shoe(seed=seed), quality=60)


def test_near_copies_are_refused_unless_keep_copies_is_set(pack):
    first = stored_image(1)
    file = pack({"uggs/a.jpg": near_copy(1)})
    report = run(file).report
    assert names(report) == {"uggs/a.jpg": "near-copy"}
    assert f"image {first.pk}" in report["problems"][0]["detail"]
    assert run(file, keep_copies=True).report["added"] == 1


def test_a_copy_of_a_rejected_image_is_refused(pack, member):
    stored_image(1)
    decisions.reject(ShoeImage.objects.all(), by=member("Curator"))
    assert names(run(pack({"uggs/a.jpg": near_copy(1)})).report) == {"uggs/a.jpg": "near-copy"}


def test_pictures_below_the_minimum_size_are_refused(pack, settings):
    file = pack({"uggs/a.jpg": jpeg(1)})
    settings.IMPORT_MIN_SIDE = 200
    assert names(run(file).report) == {"uggs/a.jpg": "too-small"}
    settings.IMPORT_MIN_SIDE = 0
    assert run(file).report["added"] == 1


def test_a_zip_import_resumed_after_a_crash_counts_as_one(pack):
    job = Import.objects.create(path=str(pack({f"uggs/{n}.jpg": jpeg(n) for n in range(4)})))
    claim = Import.claim(job.pk)
    taken = iter(range(2))

    def die(row):
        if row.progress_done:
            next(taken)

    claim.on_progress = die
    with pytest.MonkeyPatch.context() as patch, pytest.raises(StopIteration):
        patch.setattr("django.conf.settings.JOB_TICK_SECONDS", 0)
        import_images(claim)
    assert 0 < ShoeImage.objects.count() < 4
    claim.requeue()
    jobs.perform(Import, job.pk, import_images)
    job.refresh_from_db()
    assert (job.report["added"], job.report["known"]) == (4, 0)


def test_a_cancelled_import_stops_and_keeps_its_images(pack, settings):
    settings.JOB_TICK_SECONDS = 0
    job = Import.objects.create(path=str(pack({f"uggs/{n}.jpg": jpeg(n) for n in range(6)})))

    def cancel(row):
        if row.progress_done == 3:
            row.cancel()

    jobs.perform(Import, job.pk, import_images, on_progress=cancel)
    job.refresh_from_db()
    assert (job.state, ShoeImage.objects.count()) == ("cancelled", 4)


def test_an_import_pauses_where_the_quota_is_used_up(pack, settings):
    stored_image(50)
    ShoeImage.objects.update(stored_bytes=2 * 1024**2)
    settings.MEDIA_QUOTA_MB = 1
    job = run(pack({"uggs/a.jpg": jpeg(1)}))
    assert (job.state, ShoeImage.objects.count()) == ("paused", 1)
    assert "MEDIA_QUOTA_MB" in job.error


# --- web addresses ------------------------------------------------------------------------------


class Site(http.server.BaseHTTPRequestHandler):
    """Pictures by number: /7.jpg; /slow/7.jpg after a moment; everything else is not there."""

    def do_GET(self):
        self.server.asked.append(self.path)
        name = self.path.rpartition("/")[2].removesuffix(".jpg")
        if not name.isdecimal():
            self.send_error(404)
            return
        if "/slow/" in self.path:
            time.sleep(0.3)
        data = jpeg(int(name))
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@contextmanager
def serving():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def site(settings):
    with serving() as server:
        settings.COLLECT_PRIVATE = ["127.0.0.0/8"]
        settings.COLLECT_PORTS = [80, 443, server.server_port]
        server.address = f"http://127.0.0.1:{server.server_port}"
        yield server


@pytest.fixture
def listed(tmp_path, site):
    """A function that writes a CSV whose ADDRESS is the site's."""

    def write(text):
        file = tmp_path / "list.csv"
        file.write_text(text.replace("ADDRESS", site.address), encoding="utf-8")
        return file

    return write


def test_a_csv_of_addresses_is_downloaded(listed, site):
    job = run(
        listed(
            "URL,Class,group,source,licence,scene,title,page_url\n"
            "ADDRESS/1.jpg,uggs,,shop,CC0,street,A boot,https://www.shop.example/one\n"
            "ADDRESS/2.jpg,Sneakers,,,,,,https://www.shop.example/one\n"
            "ADDRESS/3.jpg,Sneakers,g,,,,,\n"
        ),
        source="me",
    )
    assert job.report["added"] == 3, job.report
    boot = ShoeImage.objects.get(label__slug="uggs")
    assert (boot.source, boot.licence, boot.scene, boot.title) == (
        "shop",
        "CC0",
        "street",
        "A boot",
    )
    assert boot.file_url == f"{site.address}/1.jpg"
    assert boot.page_url == "https://www.shop.example/one"
    assert boot.domain == "shop.example"
    second, third = ShoeImage.objects.filter(label__slug="sneakers").order_by("pk")
    assert second.group == boot.group != ""  # one page, one side of the split
    assert (third.group, third.domain) == ("me:g", "127.0.0.1")


def test_addresses_are_decided_in_the_order_of_the_csv(listed):
    """The first of two near copies is the one that stays, however slow its server."""
    text = "url,class\nADDRESS/slow/1.jpg,uggs\nADDRESS/1.jpg,sneakers\nADDRESS/2.jpg,uggs\n"
    job = run(listed(text))
    assert (job.report["added"], job.report["known"]) == (2, 1)
    assert list(ShoeImage.objects.order_by("pk").values_list("label__slug", flat=True)) == [
        "uggs", "uggs",
    ]  # fmt: skip


def test_bad_addresses_are_refused_one_by_one(listed):
    job = run(
        listed(
            "url,class\nADDRESS/none,uggs\nftp://x.example/a.jpg,uggs\nhttp://10.0.0.1/a.jpg,uggs\n"
            ",uggs\nADDRESS/1.jpg,hover\nADDRESS/2.jpg,\nADDRESS/3.jpg,uggs\n"
        )
    )
    assert (job.state, job.report["added"]) == ("done", 1)
    codes = [problem["code"] for problem in job.report["problems"]]
    assert sorted(codes) == ["bad-address", "http-error", "no-label", "not-public", "scheme"]
    assert job.report["unknown_labels"] == {"hover": 1}


def test_pictures_with_unknown_labels_are_not_downloaded(listed, site):
    run(listed("url,class\nADDRESS/1.jpg,hover\n"))
    assert site.asked == []


def test_addresses_of_a_purged_host_are_not_downloaded(listed, site, member):
    image = stored_image(9, page_url="https://shop.example/9")
    scope = purge.Scope("domain", "shop.example")
    purge.purge(scope.images(), member("Operator"), "the owner asked", scope.words)
    assert image
    job = run(listed("url,class,page_url\nADDRESS/1.jpg,uggs,https://www.shop.example/1\n"))
    assert (job.report["refused"], site.asked) == ({"taken-down": 1}, [])


def test_a_resumed_import_does_not_download_its_images_again(listed, site):
    file = listed("url,class\n" + "".join(f"ADDRESS/{n}.jpg,uggs\n" for n in range(4)))
    job = run(file)
    Import.objects.filter(pk=job.pk).update(state="queued")
    site.asked.clear()
    jobs.perform(Import, job.pk, import_images)
    job.refresh_from_db()
    assert (job.report["added"], job.report["known"], site.asked) == (4, 0, [])


def test_a_csv_of_addresses_may_have_one_label_for_all(listed):
    assert run(listed("url\nADDRESS/1.jpg\n"), label=shoe_type("uggs")).report["added"] == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("url\nADDRESS/1.jpg\n", "no column class"),
        ("url,class\n", "There are no pictures in it"),
        ('url,class\n"ADDRESS' + "x" * 200_000, "no CSV in UTF-8"),
    ],
)
def test_an_invalid_csv_fails_with_a_sentence(listed, text, says):
    job = run(listed(text))
    assert job.state == "failed"
    assert says in job.error


def test_the_number_of_addresses_is_limited_by_the_setting(listed, settings):
    settings.IMPORT_MAX_ENTRIES = 2
    lines = "".join(f"ADDRESS/{n}.jpg,uggs\n" for n in range(3))
    assert "more than 2 files" in run(listed(f"url,class\n{lines}")).error


# --- the command ----------------------------------------------------------------------------------


def test_the_command_takes_a_zip_a_label_and_copies(pack, capsys):
    stored_image(1)
    file = pack({"a.jpg": near_copy(1)})
    call_command("import_images", str(file), label="uggs")
    assert "0 added, 0 known already, 1 refused" in capsys.readouterr().out
    call_command("import_images", str(file), label="uggs", keep_copies=True)
    assert "1 added" in capsys.readouterr().out
    with pytest.raises(CommandError, match="There is no type “hover”"):
        call_command("import_images", str(file), label="hover")


def test_names_that_are_invalid_unicode_are_reported_readably(tmp_path):
    folder = tmp_path / "p" / "uggs"
    folder.mkdir(parents=True)
    (folder / "sch\udcf6n.jpg").write_bytes(b"no picture")
    assert list(names(run(tmp_path / "p").report)) == ["uggs/sch?n.jpg"]


def test_a_report_stays_small(pack, settings):
    settings.IMPORT_REPORT_LINES = 3
    files = {f"hover{n}/a.jpg": b"x" for n in range(6)} | {f"uggs/{n}.jpg": b"x" for n in range(6)}
    report = run(pack(files)).report
    assert len(report["problems"]) == 3
    assert report["refused"] == {"image_unsupported": 6}
    assert (len(report["unknown_labels"]), report["unknown_labels"]["(others)"]) == (4, 3)


def test_random_bytes_are_no_zip(tmp_path):
    (tmp_path / "a.zip").write_bytes(io.BytesIO(b"\x89PNG" * 1000).read())
    assert "It is no ZIP, or a damaged one" in run(tmp_path / "a.zip").error
