from __future__ import annotations

from email.message import EmailMessage

import pytest

from graft.errors import UnreadableDocument
from graft.loaders import mail
from graft.loaders.mail import MailLoader, safe_name
from graft.testing.loader_contract import LoaderContract


def letter(subject="Pumps", body="the body", **heads):
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = "Ada Ås <ada@example.org>"
    message["To"] = "bo@example.org"
    message["Date"] = "Mon, 02 Nov 2026 09:00:00 +0100"
    for name, value in heads.items():
        message[name] = value
    if body:
        message.set_content(body)
    return message


def load(tmp_path, message, name="a.eml"):
    path = tmp_path / name
    path.write_bytes(message if isinstance(message, bytes) else message.as_bytes())
    return list(MailLoader().load(path, name))


class TestMail(LoaderContract):
    @pytest.fixture
    def loader(self):
        return MailLoader()

    @pytest.fixture
    def file(self, tmp_path):
        path = tmp_path / "a.eml"
        path.write_bytes(letter("Tarn pump", "ninety bar").as_bytes())
        return path


class TestMailbox(LoaderContract):
    @pytest.fixture
    def loader(self):
        return MailLoader()

    @pytest.fixture
    def file(self, tmp_path):
        path = tmp_path / "a.mbox"
        line = b"From ada@example.org Mon Nov  2 09:00:00 2026\n"
        both = (letter("Tarn", "pump").as_bytes(), letter("ninety", "bar").as_bytes())
        path.write_bytes(b"\n".join(line + data for data in both))
        return path


def test_the_head_lines_stand_above_the_body(tmp_path):
    (document,) = load(tmp_path, letter())
    assert document.title == "Pumps"
    assert document.text == (
        "Pumps\nFrom: Ada Ås <ada@example.org>\nTo: bo@example.org\n"
        "Date: Mon, 02 Nov 2026 09:00:00 +0100\n\nthe body"
    )
    assert len(document.sections) == 1 and document.notes == ()


def test_the_plain_body_is_preferred_and_an_empty_one_is_not(tmp_path):
    message = letter(body="plain")
    message.add_alternative("<p>HTML</p>", subtype="html")
    assert load(tmp_path, message)[0].text.endswith("\n\nplain")
    message = letter(body=" \n")
    message.add_alternative(
        "<h1>Seen</h1><p>bold <b>x</b><span style='display:none'>SECRET</span></p>", subtype="html"
    )
    (document,) = load(tmp_path, message)
    assert document.text.endswith("Seen\n\nbold x")
    assert document.sections[-1].heading_path == ("Seen",)
    assert document.notes == ("1 hidden element left out",)


def test_a_picture_in_an_html_body_is_read_as_the_words_that_stand_for_it(tmp_path):
    message = letter(body="")
    message.set_content(
        "<p>See <img src='cid:1' alt='the wiring of hall 3'></p><img src='https://x/pixel.gif'>"
        "<p hidden><img alt='SECRET'></p>",
        subtype="html",
    )
    (document,) = load(tmp_path, message)
    assert document.text.endswith("See the wiring of hall 3")
    assert document.notes == (
        "1 hidden element left out",
        "1 picture without text left out",
    )


def test_attachments_are_read_where_they_are_text_and_else_named(tmp_path):
    message = letter()
    message.add_attachment("attached words", filename="notes.txt")
    message.add_attachment("<p>a page</p>", subtype="html", filename="p.html")
    message.add_attachment(
        b"%PDF", maintype="application", subtype="pdf", filename="../../etc/x.pdf"
    )
    message.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="a\u202egnp.exe")
    (document,) = load(tmp_path, message)
    assert document.text.endswith("the body\n\nattached words\n\na page")
    paths = [item.heading_path for item in document.sections]
    assert paths == [(), ("Attachment notes.txt",), ("Attachment p.html",)]
    assert document.notes == ("2 attachments left out: x.pdf, a gnp.exe",)


def test_nested_messages_are_read_under_their_subject_but_not_without_end(tmp_path):
    inner = letter("Level 200", "deepest SECRET")
    for level in range(12, 0, -1):
        outer = letter(f"Level {level}", f"body {level}")
        outer.add_attachment(inner)
        inner = outer
    (document,) = load(tmp_path, inner)
    assert "body 11" in document.text and "body 12" not in document.text
    assert ("Level 2", "Level 3") in [item.heading_path for item in document.sections]
    assert document.notes == ("1 message nested too deep left out",)


def test_two_hundred_messages_within_each_other_end_at_the_limit(tmp_path):
    boundary = b"Content-Type: message/rfc822\n\n"
    data = b"".join(b"Subject: level %d\n" % level + boundary for level in range(200))
    path = tmp_path / "a.eml"
    path.write_bytes(data + b"Subject: last\n\nSECRET")
    (document,) = MailLoader().load(path, "a.eml")
    assert "level 10" in document.text and "level 11" not in document.text
    assert "SECRET" not in document.text
    assert "1 message nested too deep left out" in document.notes


def test_a_message_of_very_many_parts_ends_at_the_limit_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(mail, "_MAX_PARTS", 3)
    message = letter("Parts", "the body")
    for number in range(4):
        message.add_attachment(f"words {number}", filename=f"{number}.txt")
    (document,) = load(tmp_path, message)
    assert "words 1" in document.text and "words 2" not in document.text
    assert document.notes == ("2 parts of the message left out",)


def test_a_thousand_messages_within_each_other_are_read_or_refused(tmp_path):
    data = (
        b"".join(b"Subject: s\nContent-Type: message/rfc822\n\n" for _ in range(3_000))
        + b"Subject: last\n\nbody"
    )
    path = tmp_path / "a.eml"
    path.write_bytes(data)
    TestMail().reads_or_refuses(MailLoader(), path)


def test_odd_characters_and_charsets_do_not_stop_it(tmp_path):
    data = (
        b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= =?nonsense?q?x?=\r\nFrom: <<>@,;\r\nDate: never\r\n"
        b"Content-Type: text/plain; charset=no-such\r\n\r\ncaf\xe9\x07 end\r\n"
    )
    (document,) = load(tmp_path, data)
    assert document.title.startswith("Grüße")
    assert document.text.endswith("café end")


def test_an_encrypted_message_is_refused(tmp_path):
    data = (
        b"Subject: s\nMIME-Version: 1.0\nContent-Type: application/pkcs7-mime;"
        b" smime-type=enveloped-data; name=smime.p7m\nContent-Transfer-Encoding: base64\n\nAAAA\n"
    )
    with pytest.raises(UnreadableDocument, match="encrypted"):
        load(tmp_path, data)


def test_text_that_is_no_message_is_refused(tmp_path):
    with pytest.raises(UnreadableDocument, match="no e-mail"):
        load(tmp_path, b"Dear all,\n\nno heads here\n")


def test_a_mailbox_gives_one_document_a_message(tmp_path):
    line = b"From ada@example.org Mon Nov  2 09:00:00 2026\n"
    body = letter(
        "One", "From here on it is text.\n\nFrom now on too.\n\n>From the sender"
    ).as_bytes()
    data = line + body + b"\n" + line + b"\nno heads\n\n" + line + letter("Three").as_bytes()
    first, last = load(tmp_path, data, "a.mbox")
    assert (first.id, last.id) == ("a.mbox#1", "a.mbox#3")
    assert (first.title, last.title) == ("One", "Three")
    assert "From now on too.\n\nFrom the sender" in first.text
    assert first.notes == ("1 message of the mailbox cannot be read",)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("..\\..\\boot.ini", "boot.ini"),
        ("/", "unnamed"),
        ("a\nb\x1b[31m.txt", "a b [31m.txt"),
        ("x" * 300 + ".pdf", "x" * 73 + "....pdf"),
    ],
)
def test_names_are_shown_without_folders_and_short(name, shown):
    assert safe_name(name) == shown and len(shown) <= 80
