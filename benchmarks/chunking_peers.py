"""ragpg's chunker and those of other libraries, each at a budget of tokens, for the benchmark.

All count in the embedding model's own tokens and take whatever else they offer by default.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import chonkie
from langchain_text_splitters import RecursiveCharacterTextSplitter
from llama_index.core.node_parser import SentenceSplitter
from semantic_text_splitter import MarkdownSplitter, TextSplitter

from benchmarks.chunking_data import Document, Span
from ragpg.chunking.chunker import chunk_text
from ragpg.models import SentenceTransformerEmbedder


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk: its span of the document, and the text that is embedded and searched."""

    start: int
    end: int
    embedded: str


class Tokens:
    """The embedding model's tokenizer in the forms that the libraries ask for."""

    def __init__(self, embedder: SentenceTransformerEmbedder) -> None:
        self.backend: Any = embedder._tokenizer
        self.starts: Callable[[str], Sequence[int]] = embedder.token_starts

    def ids(self, text: str) -> list[int]:
        return list(self.backend.encode(text, add_special_tokens=False).ids)

    def count(self, text: str) -> int:
        return len(self.ids(text))


Chunker = Callable[[Document, int, Tokens], list[Piece]]


def ragpg(document: Document, budget: int, tokens: Tokens, overlap: int = 0) -> list[Piece]:
    text = document.text
    chunks = chunk_text(
        text,
        title=document.title,
        media_type=document.media_type,
        token_starts=tokens.starts(text),
        count_tokens=tokens.count,
        max_tokens=budget,
        overlap_tokens=overlap * budget // 100,
    )
    return [
        Piece(one.start_char, one.end_char, f"{one.context}\n{text[one.start_char : one.end_char]}")
        for one in chunks
    ]


def ragpg_untitled(document: Document, budget: int, tokens: Tokens) -> list[Piece]:
    untitled = Document(document.id, "", document.text, document.media_type)
    return ragpg(untitled, budget, tokens)


def langchain(document: Document, budget: int, tokens: Tokens, overlap: int = 0) -> list[Piece]:
    splitter = RecursiveCharacterTextSplitter(
        chunk_size=budget,
        chunk_overlap=overlap * budget // 100,
        length_function=tokens.count,
        add_start_index=True,
    )
    found = splitter.create_documents([document.text])
    return [
        _piece(document.text, one.metadata["start_index"], len(one.page_content)) for one in found
    ]


def langchain_titled(document: Document, budget: int, tokens: Tokens) -> list[Piece]:
    """The same with the document's title before each chunk, both within the budget."""
    room = budget - tokens.count(document.title)
    return [
        Piece(one.start, one.end, f"{document.title}\n{one.embedded}")
        for one in langchain(document, room, tokens)
    ]


def llama_index(document: Document, budget: int, tokens: Tokens) -> list[Piece]:
    splitter = SentenceSplitter(chunk_size=budget, chunk_overlap=0, tokenizer=tokens.ids)
    pieces, at = [], 0
    for content in splitter.split_text(document.text):
        at = document.text.index(content, at)
        pieces.append(_piece(document.text, at, len(content)))
        at += len(content)
    return pieces


def semantic_text_splitter(document: Document, budget: int, tokens: Tokens) -> list[Piece]:
    """Its MarkdownSplitter where the text is Markdown."""
    kind = MarkdownSplitter if document.media_type == "text/markdown" else TextSplitter
    found = kind.from_huggingface_tokenizer(tokens.backend, budget).chunk_indices(document.text)
    return [_piece(document.text, start, len(content)) for start, content in found]


def chonkie_recursive(document: Document, budget: int, tokens: Tokens) -> list[Piece]:
    chunker = chonkie.RecursiveChunker(tokenizer=tokens.backend, chunk_size=budget)
    return _of_chonkie(document.text, chunker.chunk(document.text))


def chonkie_sentence(document: Document, budget: int, tokens: Tokens) -> list[Piece]:
    """It leaves a sentence that is longer than the budget whole."""
    chunker = chonkie.SentenceChunker(tokenizer=tokens.backend, chunk_size=budget, chunk_overlap=0)
    return _of_chonkie(document.text, chunker.chunk(document.text))


def _of_chonkie(text: str, found: Iterable[Any]) -> list[Piece]:
    return [_piece(text, one.start_index, one.end_index - one.start_index) for one in found]


def fixed_windows(document: Document, budget: int, tokens: Tokens) -> list[Piece]:
    text = document.text
    edges: list[int] = [*tokens.starts(text)[::budget], len(text)]
    return [_piece(text, start, end - start) for start, end in itertools.pairwise(edges)]


def _piece(text: str, start: int, length: int) -> Piece:
    return Piece(start, start + length, text[start : start + length])


CHUNKERS: dict[str, Chunker] = {
    "ragpg": ragpg,
    "LangChain RecursiveCharacterTextSplitter": langchain,
    "LlamaIndex SentenceSplitter": llama_index,
    "semantic-text-splitter": semantic_text_splitter,
    "chonkie RecursiveChunker": chonkie_recursive,
    "chonkie SentenceChunker": chonkie_sentence,
    "fixed windows": fixed_windows,
}
# For reference, at one budget only; not counted among the peers.
VARIANTS: dict[str, Chunker] = {
    "ragpg, 15 % overlap": partial(ragpg, overlap=15),
    "ragpg, no title": ragpg_untitled,
    "LangChain, 15 % overlap": partial(langchain, overlap=15),
    "LangChain, with title": langchain_titled,
}
PEERS = ("langchain-text-splitters", "llama-index-core", "semantic-text-splitter", "chonkie")


def versions() -> dict[str, str]:
    return {name: version(name) for name in PEERS}


def spans(pieces: list[Piece]) -> list[Span]:
    return [(piece.start, piece.end) for piece in pieces]
