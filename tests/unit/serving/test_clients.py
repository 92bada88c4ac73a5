"""Clients of other servers, where they are installed: they need nothing but another address."""

import pytest

from tests.unit.serving.server import Served

QUESTION = "what is amber"
TEXTS = ["birch", "amber is a resin", "grove"]


@pytest.fixture
def order(served: Served) -> list[int]:
    return [each["index"] for each in served.post("/rerank", {"query": QUESTION, "texts": TEXTS}).json()]


def test_cohere(served: Served, order: list[int]) -> None:
    cohere = pytest.importorskip("cohere")
    client = cohere.ClientV2("any key", base_url=served.url)
    found = client.rerank(model="rerank-v3.5", query=QUESTION, documents=TEXTS, top_n=2)
    assert [each.index for each in found.results] == order[:2]
    assert found.meta.billed_units.search_units == 1
    with pytest.raises(cohere.core.ApiError) as refused:
        client.rerank(model="rerank-v3.5", query=QUESTION, documents=[])
    assert refused.value.status_code == 400 and "at least one text" in refused.value.body["message"]


def test_llama_index_by_tei(served: Served, order: list[int]) -> None:
    module = pytest.importorskip("llama_index.postprocessor.tei_rerank")
    from llama_index.core.schema import NodeWithScore, TextNode

    ranker = module.TextEmbeddingInference(base_url=served.url, top_n=3, model_name="any")
    found = ranker.postprocess_nodes([NodeWithScore(node=TextNode(text=text)) for text in TEXTS], query_str=QUESTION)
    assert [each.node.text for each in found] == [TEXTS[at] for at in order]


def test_llama_index_by_jina(served: Served, order: list[int]) -> None:
    module = pytest.importorskip("llama_index.postprocessor.jinaai_rerank")
    from llama_index.core.schema import NodeWithScore, TextNode

    ranker = module.JinaRerank(api_key="any", base_url=f"{served.url}/v1", top_n=2)
    found = ranker.postprocess_nodes([NodeWithScore(node=TextNode(text=text)) for text in TEXTS], query_str=QUESTION)
    assert [each.node.text for each in found] == [TEXTS[at] for at in order[:2]]


def test_tei_client(served: Served, order: list[int]) -> None:
    module = pytest.importorskip("tei_client")
    found = module.HttpClient(served.url).rerank(query=QUESTION, texts=TEXTS, truncate=True)
    assert [each.index for each in found.ranks] == order
