"""Japanese words that the search for demands knows, as the dictionary reads them."""

from __future__ import annotations

from typing import Final

# fmt: off

GIVING: Final = frozenset((
    "くださる", "くれる", "もらう", "いただく", "ほしい", "ちょうだい",
))
"""Verbs after て that turn an action into a request."""

PLEASE: Final = frozenset(("ねがう", "おねがい", "ねがい"))
"""What asks for a noun: 返金をお願いします."""

FINAL_PARTICLES: Final = frozenset(("よ", "や", "ね", "って", "と"))
"""What may follow a bare て that is a request: 直してよ."""

SAYING: Final = frozenset(("言", "言っ", "いっ", "いう"))
"""Surfaces that show that the request before was said: 直してって言ってる."""

HELPERS: Final = frozenset((
    "いる", "ある", "おる", "みる", "いく", "しまう", "おく", "くださる", "くれる", "もらう",
    "いただく", "なさる", "ます", "なる", "まつ", "ねがう", "ござる", "いらっしゃる", "できる",
))
"""Verbs that help others: no demand of their own."""

TALK: Final = frozenset((
    "いう", "きく", "おしえる", "きかせる", "しらせる", "はなす", "まつ", "すむ", "ゆるす",
    "おもう", "かくにん", "れんらく", "せつめい", "おねがい", "ねがい", "へんじ", "あんない",
    "しつれい", "でんわ", "そうだん", "しつもん", "おりかえす", "もうす", "よむ", "みる",
    "あげる", "かんべん",
))
"""Asking for words or for patience is how every caller talks."""

DOING: Final = frozenset(("する", "やる", "いたす"))
"""Verbs whose noun says what is to be done."""

CLAUSE_WORDS: Final = frozenset((
    "から", "けど", "けれど", "ので", "のに", "が", "し",
))
"""Particles that end a clause."""

NO_TOPICS: Final = frozenset((
    "いま", "きょう", "あした", "あす", "こんばん", "はやく", "すぐ", "こと", "もの", "とき",
    "ほう", "ぜったい", "ほんとう", "とにかく", "いちにち", "さっき", "おねがい", "ところ",
    "なに", "だから", "まえ", "あと", "うち", "こっち", "そっち", "ちゃん", "じぶん", "あんた",
    "まいにち", "ひと",
))
"""Nouns that do not say what a demand is about."""

# fmt: on
