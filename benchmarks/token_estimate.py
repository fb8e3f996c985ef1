"""How far is the token estimate for hosted models from a real tokenizer?

    pip install -r benchmarks/requirements.txt
    python -m benchmarks.token_estimate

Prints, for texts of many kinds, tokens of OpenAI's cl100k_base (the encoding of its embedding
models), the estimate, and their ratio. Below 1 the estimate is low; ragpg uses half the window.
"""

from __future__ import annotations

from pathlib import Path

from ragpg.models.hosted import estimated_token_starts

ROOT = Path(__file__).parents[1]
SENTENCES = {
    "German": "Die Rückerstattung erfolgt binnen fünf Werktagen nach der Kündigungsbestätigung. ",
    "French": "Le remboursement est effectué dans les cinq jours suivant la réception. ",
    "Finnish": "Maksunpalautukset suoritetaan viiden arkipäivän kuluessa vastaanottamisesta. ",
    "Russian": "Возврат средств производится в течение пяти рабочих дней. ",
    "Chinese": "退款将在收到取消请求后的五个工作日内完成。",
    "Japanese": "返金はキャンセルのご依頼を受け取ってから五営業日以内に行われます。",
    "Korean": "환불은 취소 요청을 받은 후 영업일 기준 5일 이내에 이루어집니다. ",
    "Arabic": "يتم رد المبلغ خلال خمسة أيام عمل من تاريخ استلام طلب الإلغاء. ",
    "Hindi": "रद्द करने का अनुरोध मिलने के पाँच कार्य दिवसों के भीतर धनवापसी की जाती है। ",
    "Thai": "การคืนเงินจะดำเนินการภายในห้าวันทำการหลังจากได้รับคำขอยกเลิก ",
    "Amharic": "ገንዘብ ተመላሽ የሚደረገው የመሰረዣ ጥያቄ ከደረሰ በኋላ በአምስት የሥራ ቀናት ውስጥ ነው። ",
    "hexadecimal": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "base64": "U2FsdGVkX1+ZkR3bJ0lqkq3h8f7XyQwT5vN2mP9cLxA4eRtYuIoPaSdFgHjKlZxCvBnM",
    "emoji": "🎉🚀😀🙈🎂",
    "a table": "| 17 | 2,345.67 | kettle | yes |\n",
    "capitals": "THE REFUND POLICY IS PART OF THE CONTRACT. ",
}


def texts() -> dict[str, str]:
    """Returns texts by name: this repository's prose and code, sentences ten times over."""
    files = [*sorted((ROOT / "ragpg" / "handbook").glob("*.md")), ROOT / "README.md"]
    files += [*sorted((ROOT / "ragpg").glob("*.py"))[:5], ROOT / "sql" / "search" / "search.sql"]
    found = {path.name: path.read_text() for path in files}
    return found | {name: sentence * 10 for name, sentence in SENTENCES.items()}


def main() -> None:
    """Prints the table."""
    from bpe_openai import get_encoding

    encoding = get_encoding("cl100k_base")
    print(f"{'text':28} {'cl100k':>7} {'estimate':>9} {'ratio':>6}")
    for name, text in texts().items():
        real, estimate = len(encoding.encode(text)), len(estimated_token_starts(text))
        print(f"{name:28} {real:7} {estimate:9} {estimate / real:6.2f}")


if __name__ == "__main__":
    main()
