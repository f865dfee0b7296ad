"""A tokenizer of characters, with a token for each task's name."""

from tokenizers import AddedToken, Tokenizer, decoders, models, processors
from transformers import PreTrainedTokenizerFast

from settings import BASE_TASKS, CHARACTERS, MODEL, TASKS

PAD, EOS, UNKNOWN = "<pad>", "</s>", "<unk>"


def tokenizer() -> PreTrainedTokenizerFast:
    """BPE without merges: what is no token of its own is read character by character."""
    vocabulary = {token: i for i, token in enumerate([PAD, EOS, UNKNOWN, *CHARACTERS])}
    raw = Tokenizer(models.BPE(vocabulary, [], unk_token=UNKNOWN))
    raw.decoder = decoders.Fuse()
    raw.post_processor = processors.TemplateProcessing(single=f"$A {EOS}", special_tokens=[(EOS, MODEL["eos_token_id"])])
    raw.add_special_tokens([AddedToken(t, normalized=False) for t in (PAD, EOS, UNKNOWN)])
    # The name and the blank behind it are one token, so that a question costs few.
    raw.add_tokens([AddedToken(f"{task} ", normalized=False) for task in (*TASKS, *BASE_TASKS)])
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token=PAD, eos_token=EOS, unk_token=UNKNOWN,
        model_max_length=32, clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )
