from __future__ import annotations

import copy

import pytest


def tuned(checkpoint, **changes):
    """The tiny model with an adapter that is not zero."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    settings = {"r": 4, "lora_alpha": 12, "target_modules": "all-linear", "lora_dropout": 0.0}
    base = AutoModelForCausalLM.from_pretrained(checkpoint)
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **(settings | changes)))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    return model.float()


def outcome(model, ids):
    """Logits, loss and the gradient of every trained weight."""
    model.zero_grad()
    out = model(input_ids=ids, labels=ids)
    out.loss.backward()
    grads = {
        name: weight.grad.clone()
        for name, weight in model.named_parameters()
        if weight.grad is not None
    }
    return out.logits.detach(), grads


@pytest.fixture(scope="module")
def ids():
    import torch

    torch.manual_seed(2)
    return torch.randint(0, 256, (3, 17))


@pytest.fixture(scope="module")
def pair(checkpoint):
    """The same model twice: as PEFT has it, and folded."""
    from graft.train.fold import fold_adapters

    plain = tuned(checkpoint)
    folded = copy.deepcopy(plain)
    assert fold_adapters(folded) == 14  # seven matrices a layer, two layers
    return plain, folded


def test_outputs_are_those_of_peft(pair, ids):
    import torch

    plain, folded = pair
    torch.testing.assert_close(outcome(folded, ids)[0], outcome(plain, ids)[0], atol=1e-5, rtol=0)


def test_gradients_are_those_of_peft(pair, ids):
    import torch

    plain, folded = pair
    expected, found = outcome(plain, ids)[1], outcome(folded, ids)[1]
    assert found.keys() == expected.keys()
    assert len(expected) == 28
    for name, grad in expected.items():
        assert float(grad.abs().max()) > 0, name
        torch.testing.assert_close(found[name], grad, atol=1e-5, rtol=1e-4)


def test_the_gradient_of_the_input_is_right_by_finite_differences():
    import torch

    from graft.train.fold import _Folded

    torch.manual_seed(3)
    x, weight = torch.randn(2, 3, 5), torch.randn(4, 5)
    down, up = torch.randn(2, 5), torch.randn(4, 2)
    inputs = [item.double().requires_grad_() for item in (x, down, up)]

    def run(x, down, up):
        return _Folded.apply(x, weight.double(), down, up, 0.5)

    assert torch.autograd.gradcheck(run, inputs)


def test_switching_the_adapter_off_gives_the_base(pair, checkpoint, ids):
    import torch
    from transformers import AutoModelForCausalLM

    _, folded = pair
    base = AutoModelForCausalLM.from_pretrained(checkpoint)
    with torch.inference_mode():
        on = folded(input_ids=ids).logits
        with folded.disable_adapter():
            off = folded(input_ids=ids).logits
        again = folded(input_ids=ids).logits
        torch.testing.assert_close(off, base(input_ids=ids).logits, atol=1e-5, rtol=0)
    assert float((on - off).abs().max()) > 1e-2
    assert torch.equal(on, again)


def test_a_step_of_training_is_seen_at_once(pair, ids):
    import torch

    _, folded = pair
    folded = copy.deepcopy(folded)
    before = outcome(folded, ids)[0]
    with torch.no_grad():
        for name, weight in folded.named_parameters():
            if "lora_B" in name:
                weight.zero_()
    assert float((outcome(folded, ids)[0] - before).abs().max()) > 1e-2


@pytest.mark.parametrize("changes", [{"lora_dropout": 0.5}, {"use_dora": True}])
def test_layers_that_are_not_plain_are_left_alone(checkpoint, changes):
    from graft.train.fold import fold_adapters

    assert fold_adapters(tuned(checkpoint, **changes)) == 0


def test_layers_with_a_bias_are_left_alone():
    import torch
    from peft import LoraConfig, get_peft_model

    from graft.train.fold import fold_adapters

    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4, bias=False))
    tuned_model = get_peft_model(model, LoraConfig(r=2, target_modules=["0", "1"]))
    assert fold_adapters(tuned_model) == 1
