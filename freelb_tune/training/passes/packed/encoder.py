"""The padding-free encoder: a classifier of a known family, run on its real tokens only.

Room: training. Takes the usual padded batch and gives the model's own logits; reads the model's
weights at each call and leaves the model as it is.

Letters: B examples, T tokens of the padded batch, N real tokens, E embedding width, C classes.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from freelb_tune.training.passes.packed.attention import split_runs
from freelb_tune.training.passes.packed.embed import embed_sum
from freelb_tune.training.passes.packed.last import last_layer
from freelb_tune.training.passes.packed.layer import full_layer
from freelb_tune.training.passes.packed.layout import Layout, Run, layout_of
from freelb_tune.training.passes.packed.masks import DropoutMasks, LayerMasks, draw_mask

__all__ = ["PackedEncoder"]

_NO_MASKS = LayerMasks(None, None, None)


def _rate(dropout: nn.Dropout) -> float:
    return dropout.p if dropout.training else 0.0


class PackedEncoder:
    """A sequence classifier without its padding. Made by `pack`, which knows what is supported.

    Exact: the logits and all gradients are those of the padded model. Gradients of the embedding
    tables and of all layers but the last are added to `.grad` during `backward()`, so that
    `torch.autograd.grad` with respect to delta alone moves them too.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self._base = getattr(model, model.base_model_prefix)

    def masks(
        self, inputs: Mapping[str, Tensor], generator: torch.Generator
    ) -> DropoutMasks | None:
        """Draw the dropout masks of one mini-batch, to be used in all of its passes.

        A rate p becomes round(p x 65536) / 65536. Nothing touches the global generator.

        Returns:
            The masks, or None in eval mode and where every rate is 0.

        Raises:
            FreeLBTuneError: an example starts with padding.
        """
        model, layers = self.model, self._base.encoder.layer
        dropouts = [m for m in model.modules() if isinstance(m, nn.Dropout)]
        if not any(_rate(d) > 0 for d in dropouts):
            return None
        layout = layout_of(inputs)
        like = self._base.embeddings.word_embeddings.weight
        embeddings = draw_mask(
            (layout.tokens, like.shape[1]), _rate(self._base.embeddings.dropout), generator, like
        )
        drawn = tuple(
            self._layer_masks(layer, layout, layer is layers[-1], generator) for layer in layers
        )
        size = (layout.shape[0], model.config.hidden_size)
        head = tuple(draw_mask(size, _rate(d), generator, like) for d in self._head_dropouts())
        return DropoutMasks(embeddings, drawn, head)

    def __call__(
        self, inputs: Mapping[str, Tensor], delta: Tensor | None, masks: DropoutMasks | None
    ) -> Tensor:
        """Compute the logits.

        Args:
            inputs: `input_ids` and `attention_mask` `(B, T)`, padded on the right; optionally
                `token_type_ids` and `position_ids`. Other entries are not read.
            delta: perturbation of the word embeddings, `(B, T, E)`; ignored at padding. None for
                a clean pass.
            masks: what `masks` drew for these inputs. None drops nothing, in training mode too.

        Returns:
            Logits, `(B, C)`.

        Raises:
            FreeLBTuneError: an example starts with padding.
        """
        layout = layout_of(inputs)
        x, _ = self._below_the_last(inputs, layout, delta, masks)
        own = _NO_MASKS if masks is None else masks.layers[-1]
        return self._head(last_layer(self._base.encoder.layer[-1], x, layout, own), masks)

    def with_states(
        self, inputs: Mapping[str, Tensor], delta: Tensor | None, masks: DropoutMasks | None
    ) -> tuple[Tensor, Tensor]:
        """Compute the logits, and the last layer's states, `(B, T, H)`, zero at padding.

        Arguments and errors as for a call; `masks` as from `for_states`.
        """
        layout = layout_of(inputs)
        x, blocks = self._below_the_last(inputs, layout, delta, masks)
        own = _NO_MASKS if masks is None or masks.every is None else masks.every
        x = full_layer(self._base.encoder.layer[-1], x, blocks, own)
        return self._head(x.index_select(0, layout.first), masks), layout.pad(x)

    def for_states(
        self, inputs: Mapping[str, Tensor], masks: DropoutMasks | None, generator: torch.Generator
    ) -> DropoutMasks | None:
        """Draw the last layer's masks for the tokens that `masks` leaves out; once is enough.

        The first tokens drop what they drop without states, so that both kinds of pass agree.
        """
        if masks is None or masks.every is not None:
            return masks
        layout, last = layout_of(inputs), self._base.encoder.layer[-1]
        first, every = masks.layers[-1], self._layer_masks(last, layout, False, generator)
        for own, whole in ((first.projection, every.projection), (first.output, every.output)):
            if own is not None and whole is not None:
                whole.index_copy_(0, layout.first, own)
        if first.attention is not None and every.attention is not None:
            own = layout.pick(first.attention[0].transpose(1, 2))  # (N, A)
            blocks = split_runs(layout.runs, own.shape[1])
            for (start, examples, length), whole in zip(blocks, every.attention, strict=True):
                rows = own[start : start + examples * length].view(examples, length, -1)
                whole.view(examples, -1, length, length)[:, :, 0] = rows.transpose(1, 2)
        return replace(masks, every=every)

    def _below_the_last(
        self,
        inputs: Mapping[str, Tensor],
        layout: Layout,
        delta: Tensor | None,
        masks: DropoutMasks | None,
    ) -> tuple[Tensor, tuple[Run, ...]]:
        """The last layer's input, `(N, H)`, and the blocks that a whole layer attends in."""
        x = self._embed(inputs, layout, delta, masks)
        *layers, last = self._base.encoder.layer
        blocks = split_runs(layout.runs, last.attention.self.num_attention_heads)
        for i, layer in enumerate(layers):
            x = full_layer(layer, x, blocks, _NO_MASKS if masks is None else masks.layers[i])
        return x, blocks

    def _embed(
        self,
        inputs: Mapping[str, Tensor],
        layout: Layout,
        delta: Tensor | None,
        masks: DropoutMasks | None,
    ) -> Tensor:
        """Embed the real tokens, up to the first layer's input `(N, H)`."""
        own = self._base.embeddings
        ids = inputs["input_ids"]
        types = inputs.get("token_type_ids")
        places = inputs.get("position_ids")
        if places is None:
            places = self._positions(ids)
        all_ids = (
            layout.pick(ids),
            layout.rows.new_zeros(layout.tokens) if types is None else layout.pick(types),
            layout.pick(places.expand_as(ids)),
        )
        tables = (own.word_embeddings, own.token_type_embeddings, own.position_embeddings)
        x: Tensor = own.LayerNorm(embed_sum(tables, all_ids, layout.rows, delta))
        if masks is not None and masks.embeddings is not None:
            x = x * masks.embeddings
        project = getattr(self._base, "embeddings_project", None)
        return x if project is None else project(x)

    def _positions(self, ids: Tensor) -> Tensor:
        """Number the places: RoBERTa counts from its padding id, the others from 0."""
        own = self._base.embeddings
        if hasattr(own, "create_position_ids_from_input_ids"):
            places: Tensor = own.create_position_ids_from_input_ids(ids, own.padding_idx)
            return places
        return torch.arange(ids.shape[1], device=ids.device)

    def _head_dropouts(self) -> tuple[nn.Dropout, ...]:
        """The head's dropouts, in the order in which they are applied."""
        if self.model.config.model_type == "bert":
            return (self.model.dropout,)
        return (self.model.classifier.dropout,) * 2

    def _head(self, first: Tensor, masks: DropoutMasks | None) -> Tensor:
        """Classify the first tokens, `(B, H)` to `(B, C)`, by the model's own modules."""
        drops = iter(() if masks is None else masks.head)

        def drop(x: Tensor) -> Tensor:
            mask = next(drops, None)
            return x if mask is None else x * mask

        head = self.model.classifier
        if self.model.config.model_type == "bert":
            return cast(Tensor, head(drop(self._base.pooler(first[:, None]))))
        x = head.dense(drop(first))
        x = head.activation(x) if hasattr(head, "activation") else torch.tanh(x)
        return cast(Tensor, head.out_proj(drop(x)))

    @staticmethod
    def _layer_masks(
        layer: Any, layout: Layout, is_last: bool, generator: torch.Generator
    ) -> LayerMasks:
        own, projection = layer.attention.self, layer.attention.output
        like, heads = projection.dense.weight, own.num_attention_heads
        tokens = layout.shape[0] if is_last else layout.tokens
        if is_last:
            sizes = [(layout.shape[0], heads, layout.shape[1])]
        else:
            blocks = split_runs(layout.runs, heads)
            sizes = [(block.examples * heads, block.length, block.length) for block in blocks]
        counts = [a * b * c for a, b, c in sizes]
        flat = draw_mask((sum(counts),), _rate(own.dropout), generator, like)
        attention = None
        if flat is not None:
            views = zip(torch.split(flat, counts), sizes, strict=True)
            attention = tuple(view.view(size) for view, size in views)
        shape = (tokens, like.shape[0])
        return LayerMasks(
            attention,
            draw_mask(shape, _rate(projection.dropout), generator, like),
            draw_mask(shape, _rate(layer.output.dropout), generator, like),
        )
