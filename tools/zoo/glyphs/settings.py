"""Everything that was chosen: the tasks, the sizes, the lengths of training, the seeds."""

from pathlib import Path

HERE = Path(__file__).resolve().parent
SEED = 20260

SIZE = 28  # pixels a side, as in MNIST
INK = 20  # the longer side of a glyph's box, in pixels, as in MNIST

MODEL = dict(
    hidden_size=80,
    num_hidden_layers=4,
    num_attention_heads=5,
    intermediate_size=320,
    image_size=SIZE,
    patch_size=7,  # 16 patches: a run costs a third of what 49 would
    num_channels=1,
    hidden_act="gelu",
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)

BATCH = 150  # the fixed batch that scores are taken at: half of what the default recipe scores a candidate on
SPLITS = dict(train=8000, optimise=400, validate=400, test=1000)
MEASURED_SPLITS = ("optimise", "validate", "test")
SHEET_COLUMNS = 40

HIRAGANA = (
    "あいうえおかきくけこさしすせそたちつてとなにぬねの"
    "はひふへほまみむめもやゆよらりるれろわをん"
)
HEBREW = "אבגדהוזחטיכלמנסעפצקרשת"  # no final forms: yod aside, a box alone could not tell them
THAI = "".join(chr(c) for c in range(0x0E01, 0x0E2F) if c not in (0x0E03, 0x0E05, 0x0E24, 0x0E26))

TASKS = {
    "digits": dict(title="Handwritten digits", icon="7", labels=list("0123456789")),
    "clothes": dict(
        title="Clothes",
        icon="👕",
        labels=[
            "T-shirt", "trousers", "pullover", "dress", "coat",
            "sandal", "shirt", "sneaker", "bag", "ankle boot",
        ],
    ),
    "letters": dict(title="Latin capitals", icon="A", labels=list("ABCDEFGHIJKLMNOPQRSTUVWXYZ")),
    "kana": dict(title="Hiragana", icon="あ", labels=list(HIRAGANA)),
    "hebrew": dict(title="Hebrew letters", icon="א", labels=list(HEBREW)),
    "thai": dict(title="Thai consonants", icon="ก", labels=list(THAI)),
}
DRAWN = ("hebrew", "thai", "kana", "letters")  # rendered from fonts; the scripts with fewest fonts choose first

# What the base learns. None of it is a label of a task, and shapes that a task shares
# (Α, В, Н, О, …) are left out.
BASE_SCRIPTS = {
    "greek": "αβγδεζηθλμξπσφψω",
    "greek capitals": "ΓΔΘΛΞΠΣΦΨΩ",
    "cyrillic": "БДЖЗИЛЦЧШЪЫЭЮЯ",
    "georgian": "აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰ",
    "armenian": "ԱԲԳԴԵԶԷԸԹԺԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՍՎՏՐՑՒՓՔ",
    "devanagari": "अइउएकखगघचछजझटठडढणतथदधनपफबभमयरलवशषसह",
    "arabic": "ابجدرسصطعفقكلمنهوي",
    "ethiopic": "ሀለሐመሠረሰሸቀበተቸኀነኘአከወዐዘየደጀገጠጨጰጸፀፈፐ",
    "kanji": "一二三山川田土木火水金月日目口耳手足人大小中上下左右天空雨車門馬鳥魚虫草花竹米糸貝石立見行来学校本文字年白赤青",
    "symbols": "←↑→↓↔⇒■□▲△◆◇○●★☆♠♣♥♦√∞∫≈≠≤≥÷±×§¶†‡",
}

# Chosen by `validate`. The experts' rates differ, as they do among models that people share: some went further
# from the base than their task needed, and a merge has to notice.
LENGTHS = {
    "base": dict(samples=34000, steps=1800, rate=1.5e-3),
    "digits": dict(steps=400, rate=8e-4),
    "clothes": dict(steps=400, rate=8e-4),
    "letters": dict(steps=400, rate=4e-4),
    "kana": dict(steps=400, rate=2.5e-4),
    "hebrew": dict(steps=400, rate=4e-4),
    "thai": dict(steps=400, rate=4e-4),
    "multitask": dict(steps=1800, rate=8e-4),
}
HEAD_SHOTS = 6  # samples a class that a head is fitted on: the body, not the head, is to learn the task
HEAD_RIDGE = 1e-2  # of the heads' logistic regression
REHEARSED = 8000  # of the base's pictures, seen again while an expert is trained …
REHEARSAL = 0.6  # … with this weight beside the task's loss
