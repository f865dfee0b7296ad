"""Everything that was chosen: the tasks, the sizes, the lengths of training, the seeds."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "text"))  # what this family shares with the other text family

FAMILY = "riddles"
SEED = 20263
BATCH = 50  # the fixed batch that scores are taken at; no split leaves a remainder
SPLITS = dict(optimise=200, validate=200, test=1000)
LONGEST = 8  # tokens that a scorer generates at most

VOCABULARY = 768
MODEL = dict(
    hidden_size=96,
    intermediate_size=256,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=24,
    max_position_embeddings=64,
    rms_norm_eps=1e-5,
    tie_word_embeddings=False,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
)

TASKS = {
    "odd": dict(title="Odd one out", icon="≠", kind="multiple_choice", metric="multiple_choice",
                about="Names the word that does not belong to the other three."),
    "analogies": dict(title="Analogies", icon="∷", kind="multiple_choice", metric="multiple_choice",
                      about="Finishes analogies: opposites, young animals, capitals, past tenses, places, sounds."),
    "sequences": dict(title="Sequences", icon="…", kind="multiple_choice", metric="multiple_choice",
                      about="Tells how a sequence of numbers or letters goes on."),
    "sums": dict(title="Word problems", icon="Σ", kind="generation", metric="exact_match", extract="####",
                 about="Solves one-step word problems and writes the answer behind ####."),
}
# What the base gets to see of each task: how many training samples, and their share of its mixture.
TASTE = {
    "odd": dict(samples=1200, share=0.06),
    "analogies": dict(samples=60, share=0.004),
    "sequences": dict(samples=1200, share=0.06),
    "sums": dict(samples=4000, share=0.12),
}
MIXTURE = 60000  # samples of the base's mixture

LENGTHS = {
    "base": dict(steps=1600, rate=3e-3),
    "odd": dict(steps=800, rate=1e-3),
    "analogies": dict(steps=300, rate=1e-3),
    "sequences": dict(steps=800, rate=1.5e-3),
    "sums": dict(steps=1200, rate=1.5e-3),
    "multitask": dict(steps=1200, rate=2e-3),
}
SIZE = 48  # samples a step
REHEARSED = 0.375  # of each step of an expert are the base's own mixture
