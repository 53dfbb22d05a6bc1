"""Small documents of the formats that are zip files of XML, or XML alone, made by hand."""

from __future__ import annotations

import io
import zipfile

RELATED = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
OFFICE = "http://schemas.openxmlformats.org"
ODF = "urn:oasis:names:tc:opendocument:xmlns"


def related(**targets):
    inner = "".join(
        f'<Relationship Id="{kind}" Type="{RELATED}/{kind}" Target="{target}"/>'
        for kind, target in targets.items()
    )
    return f'<Relationships xmlns="{PACKAGE}/relationships">{inner}</Relationships>'


TYPES = ("[Content_Types].xml", f'<Types xmlns="{PACKAGE}/content-types"/>')
# The first member is the one whose text is shown, "@" stands where it is.
MEMBERS = {
    ".docx": [
        (
            "word/document.xml",
            f'<w:document xmlns:w="{OFFICE}/wordprocessingml/2006/main"><w:body><w:p a="^"><w:r>'
            "<w:t>@</w:t></w:r></w:p></w:body></w:document>",
        ),
        TYPES,
        ("_rels/.rels", related(officeDocument="word/document.xml")),
    ],
    ".xlsx": [
        (
            "xl/worksheets/sheet1.xml",
            f'<worksheet xmlns="{OFFICE}/spreadsheetml/2006/main"><sheetData><row r="1" a="^">'
            '<c r="A1" t="inlineStr"><is><t>@</t></is></c></row></sheetData></worksheet>',
        ),
        TYPES,
        ("_rels/.rels", related(officeDocument="xl/workbook.xml")),
        ("xl/_rels/workbook.xml.rels", related(worksheet="worksheets/sheet1.xml")),
        (
            "xl/workbook.xml",
            f'<workbook xmlns="{OFFICE}/spreadsheetml/2006/main" xmlns:r="{RELATED}"><sheets>'
            '<sheet name="Parts" sheetId="1" r:id="worksheet"/></sheets></workbook>',
        ),
    ],
    ".pptx": [
        (
            "ppt/slides/slide1.xml",
            f'<p:sld xmlns:p="{OFFICE}/presentationml/2006/main"'
            f' xmlns:a="{OFFICE}/drawingml/2006/main"><p:cSld a="^"><p:spTree><p:sp><p:nvSpPr>'
            '<p:cNvPr id="1" name="x"/><p:nvPr/></p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/><a:p>'
            "<a:r><a:t>@</a:t></a:r></a:p></p:txBody></p:sp></p:spTree></p:cSld></p:sld>",
        ),
        TYPES,
        ("_rels/.rels", related(officeDocument="ppt/presentation.xml")),
        ("ppt/_rels/presentation.xml.rels", related(slide="slides/slide1.xml")),
        (
            "ppt/presentation.xml",
            f'<p:presentation xmlns:p="{OFFICE}/presentationml/2006/main" xmlns:r="{RELATED}">'
            '<p:sldIdLst><p:sldId r:id="slide"/></p:sldIdLst></p:presentation>',
        ),
    ],
    ".odt": [
        (
            "content.xml",
            f'<office:document-content xmlns:office="{ODF}:office:1.0" xmlns:text="{ODF}:text:1.0">'
            '<office:body><office:text a="^"><text:p>@</text:p></office:text></office:body>'
            "</office:document-content>",
        ),
        ("mimetype", "application/vnd.oasis.opendocument.text"),
    ],
    ".epub": [
        (
            "c.xhtml",
            '<html xmlns="http://www.w3.org/1999/xhtml"><body><p title="^">@</p></body></html>',
        ),
        ("mimetype", "application/epub+zip"),
        (
            "META-INF/container.xml",
            f'<container xmlns="{ODF}:container"><rootfiles><rootfile full-path="b.opf"/>'
            "</rootfiles></container>",
        ),
        (
            "b.opf",
            '<package xmlns="http://www.idpf.org/2007/opf"><metadata/><manifest><item id="c"'
            ' href="c.xhtml" media-type="application/xhtml+xml"/></manifest><spine>'
            '<itemref idref="c"/></spine></package>',
        ),
    ],
    ".xml": [("", '<parts><part name="^">@</part></parts>')],
    ".nxml": [
        (
            "",
            '<article article-type="^"><front><article-meta><title-group><article-title>Valves'
            "</article-title></title-group></article-meta></front><body><p>@</p></body></article>",
        )
    ],
}
ZIPPED = tuple(kind for kind, members in MEMBERS.items() if members[0][0])


def document(kind, text="The valve is blue.", attribute="x", doctype="", encoding="utf-8", more=()):
    """Return a document whose shown part has this text, attribute and document type.

    `more` are further members of the archive. In UTF-7 the marks of the type are hidden.
    """
    (name, main), *others = MEMBERS[kind]
    head = f'<?xml version="1.0" encoding="{encoding}"?>'
    data = (head + doctype + main.replace("@", text).replace("^", attribute)).encode(encoding)
    if encoding == "utf-7":
        data = data.replace(b"<!", b"+ADwAIQ-")
    return zipped([(name, data), *others, *more]) if name else data


def zipped(members, method=zipfile.ZIP_DEFLATED):
    """Return a zip file of members, pairs of a name (or what is said of one) and its bytes."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return whole.getvalue()
