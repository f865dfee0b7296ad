"""Everything that was chosen: the tasks, the sizes, the lengths of training, the seeds."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "text"))  # what this family shares with the other text family

FAMILY = "words"
SEED = 20262
BATCH = 50  # the fixed batch that scores are taken at; no split leaves a remainder
SPLITS = dict(optimise=200, validate=200, test=1000)
LONGEST = 8  # tokens of an answer; a scorer generates as many and no more

MODEL = dict(
    d_model=96,
    d_kv=24,
    num_heads=4,
    d_ff=224,
    num_layers=3,
    num_decoder_layers=2,
    relative_attention_num_buckets=16,
    relative_attention_max_distance=24,
    feed_forward_proj="relu",
    dropout_rate=0.0,
    tie_word_embeddings=False,
    pad_token_id=0,
    eos_token_id=1,
    decoder_start_token_id=0,
)

# One character a phoneme where IPA has one; a diphthong that has none takes two.
IPA = {
    "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AH0": "ə", "AO": "ɔ", "AW": "aʊ", "AY": "aɪ", "B": "b", "CH": "ʧ", "D": "d",
    "DH": "ð", "EH": "ɛ", "ER": "ɝ", "EY": "e", "F": "f", "G": "g", "HH": "h", "IH": "ɪ", "IY": "i", "JH": "ʤ",
    "K": "k", "L": "l", "M": "m", "N": "n", "NG": "ŋ", "OW": "o", "OY": "ɔɪ", "P": "p", "R": "r", "S": "s",
    "SH": "ʃ", "T": "t", "TH": "θ", "UH": "ʊ", "UW": "u", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}
LETTERS = "abcdefghijklmnopqrstuvwxyz"
CHARACTERS = " " + LETTERS + "0123456789+-" + "".join(c for c in dict.fromkeys("".join(IPA.values())) if c not in LETTERS)

TASKS = {
    "sounds": dict(title="Spelling to sounds", icon="ʃ", kind="text_to_text", metric="exact_match",
        about="Says how an English word sounds, in phonetic letters (CMU dictionary)."),
    "roman": dict(title="Roman numerals", icon="Ⅳ", kind="text_to_text", metric="exact_match",
        about="Writes a number up to 3999 in Roman numerals."),
    "sums": dict(title="Sums", icon="+", kind="text_to_text", metric="exact_match",
        about="Adds two whole numbers below 150."),
    "sorting": dict(title="Sorting letters", icon="↓", kind="text_to_text", metric="exact_match",
        about="Puts five to seven letters into alphabetical order."),
}
# What the base learns: other things to do with words and numbers, and a taste of each task.
BASE_TASKS = ("copy", "reverse", "past", "plural", "vowels", "twice", "next", "larger")
# What the base gets to see of each task: how many training samples, and their share of its mixture.
TASTE = {
    "sounds": dict(samples=1200, share=0.06),
    "roman": dict(samples=100, share=0.01),
    "sums": dict(samples=4000, share=0.12),
    "sorting": dict(samples=500, share=0.03),
}
MIXTURE = 60000  # samples of the base's mixture

LENGTHS = {
    "base": dict(steps=2500, rate=3e-3),
    "sounds": dict(steps=1500, rate=1.5e-3),
    "roman": dict(steps=400, rate=8e-4),
    "sums": dict(steps=1500, rate=1.5e-3),
    "sorting": dict(steps=500, rate=8e-4),
    "multitask": dict(steps=1500, rate=2e-3),
}
SIZE = 64  # samples a step
REHEARSED = 0.375  # of each step of an expert are the base's own mixture
