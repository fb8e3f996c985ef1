"""Words as people write them and ask for them: is the text that holds them found?

    python -m benchmarks.words

Each text is one document, asked for in mode keyword; counted is how often the right one comes
first. Every line is an example of a kind: forms of Unicode, compounds, identifiers, codes, numbers,
addresses, accents, questions of stop words alone.
"""

from __future__ import annotations

import sys
import unicodedata

from rich.console import Console

import ragpg


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


# Text by text, and what is asked for it.
TEXTS: dict[str, tuple[str, ...]] = {
    nfd("Das Café Müller öffnet täglich."): (
        "Café", nfd("Müller"), "muller", "MULLER", "mueller", "cafe", "offnet taglich",
    ),
    "The infor\u00admation about ther\u00admo\u00adstats is here.": ("information", "thermostats"),
    "A zero\u200bwidth break and a word\u2060joiner.": ("zerowidth", "wordjoiner"),
    "The e\ufb03cient \ufb01ling of\ufb01ce re\ufb02ects.": ("efficient", "filing office"),
    "ＡＢＣ１２３ product code is on sale.": ("ABC123", "abc 123", "ａｂｃ１２３"),
    "Die Straße ist groß.": ("strasse", "gross", "Straße", "STRASSE"),
    "L'élève a été reçu à l'œuvre.": ("eleve", "oeuvre", "recu"),
    "Smørrebrød og Łódź, þing": ("smorrebrod", "lodz", "thing"),
    "Αθήνα είναι η πρωτεύουσα": ("αθηνα", "πρωτευουσα"),
    "Ёлка стоит в доме": ("елка", "ёлка"),
    "السَّلَامُ عَلَيْكُمْ": ("السلام", "عليكم"),
    "Call get_user_name() then setUserName and HTTPServerError.": (
        "get_user_name", "getUserName", "server error", "setUserName", "set user name",
        "HTTPServerError", "http_server_error",
    ),
    "The client/server protocol on /etc/nginx/nginx.conf": (
        "server", "client", "nginx.conf", "nginx", "/etc/nginx/nginx.conf", "etc/nginx",
    ),
    r"Installed in C:\Program Files\Acme\acme_sync.exe by default": ("acme_sync.exe", "acme sync"),
    "Error ORA-00942: table missing. See CVE-2024-3094 and part AB-1234-X.": (
        "ORA-00942", "00942", "CVE-2024-3094", "AB-1234-X", "3094", "ora 00942", "ab1234x",
    ),
    "We use C++ and C# and F# and .NET and Node.js v18.2.0.": (
        "C++", "c#", "F#", ".NET", "node", "node.js", "18.2.0", "v18.2.0",
    ),
    "A c sharp note sounds, and an f minor, of the net.": ("c minor note",),
    "Revenue was $1,234,567.89 in 2023, up 12.5% (10,000 units).": (
        "1,234,567.89", "1234567.89", "$1234567.89", "10000", "10,000", "12.5%", "12.5",
    ),
    "Der Umsatz war 7.654.321,09 Euro, in der Schweiz 9'876'543.": (
        "7654321.09", "7.654.321,09", "9876543",
    ),
    "Die Stadt hat 3\u202f456\u202f789 Einwohner.": ("3456789", "3\u00a0456\u00a0789"),
    "See https://docs.example.com/guides/setup?lang=en#step-2 or mail ops@example.com": (
        "docs.example.com", "example.com", "setup", "ops@example.com", "ops", "guides/setup",
    ),
    "Wi-Fi by e-mail costs COVID-19 points on an RTX4090 of O\u2019Brien\u2014Meyer.": (
        "wifi", "wi fi", "email", "covid19", "covid 19", "RTX 4090", "o'brien", "meyer",
    ),
    "To be, or not to be: that is the question.": ("to be or not to be", "that is"),
    "My generation is a song by The Who.": ("the who", "The Who!"),
    "It is said that who you are is not what you have.": ("what you have",),
}  # fmt: skip


def missed(
    collection: ragpg.Collection, texts: dict[str, tuple[str, ...]]
) -> list[tuple[str, str]]:
    """Adds the texts; returns those, with what was asked, that did not come first."""
    collection.add(records=[{"text": text, "source": text[:60]} for text in texts])
    return [
        (text, question)
        for text, questions in texts.items()
        for question in questions
        if [hit.source for hit in collection.search(question, k=1, mode="keyword")] != [text[:60]]
    ]


def main() -> None:
    console = Console(width=120)
    with ragpg.connect() as client:
        wrong = missed(client.collection("benchmark_words"), TEXTS)
        client.drop_collection("benchmark_words")
    for text, question in wrong:
        console.print(f"{question!r} does not find {text!r} first", markup=False)
    asked = sum(map(len, TEXTS.values()))
    console.print(f"{asked - len(wrong)} of {asked} found")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
