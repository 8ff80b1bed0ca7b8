"""The tree against RFC 6962's test vectors and against its definition, word for word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys_app.audit.merkle import tree

# The test vectors of RFC 6962's authors (Certificate Transparency, merkle_tree_test): eight leaves, the roots of
# the trees over the first 1 to 8 of them, and proofs.
LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {  # index from 0, size
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {  # old size, new size
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
HASHES = [tree.leaf_hash(leaf) for leaf in LEAVES]


def from_hex(proof):
    return [bytes.fromhex(text) for text in proof]


def naive_root(leaves):
    """MTH of RFC 6962, section 2.1."""
    if not leaves:
        return tree.EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return tree.node_hash(naive_root(leaves[:k]), naive_root(leaves[k:]))


def split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def naive_path(m, leaves):
    """PATH of RFC 6962, section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_subproof(m, leaves, whole):
    """SUBPROOF of RFC 6962, section 2.1.2."""
    if m == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*naive_subproof(m, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_subproof(m - k, leaves[k:], False), naive_root(leaves[:k])]


def made(size):
    return [tree.leaf_hash(str(number).encode()) for number in range(size)]


SIZES = st.integers(1, 70)


def test_the_empty_tree_has_the_published_root():
    assert tree.EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert tree.root([]) == tree.EMPTY_ROOT


@pytest.mark.parametrize("size", range(1, 9))
def test_the_roots_are_the_published_ones(size):
    assert tree.root(HASHES[:size]).hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_the_inclusion_proofs_are_the_published_ones(index, size):
    proof = from_hex(INCLUSION[index, size])
    root = bytes.fromhex(ROOTS[size - 1])
    assert tree.inclusion_proof(index, HASHES[:size]) == proof
    assert tree.verify_inclusion(leaf=HASHES[index], index=index, size=size, proof=proof, root=root)


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_the_consistency_proofs_are_the_published_ones(old, new):
    proof = from_hex(CONSISTENCY[old, new])
    roots = {"old_root": bytes.fromhex(ROOTS[old - 1]), "new_root": bytes.fromhex(ROOTS[new - 1])}
    assert tree.consistency_proof(old, HASHES[:new]) == proof
    assert tree.verify_consistency(old=old, new=new, proof=proof, **roots)


@given(SIZES, st.data())
def test_proofs_are_what_the_rfc_defines(size, data):
    leaves = made(size)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    assert tree.root(leaves) == naive_root(leaves)
    assert tree.inclusion_proof(index, leaves) == naive_path(index, leaves)
    assert tree.consistency_proof(old, leaves) == naive_subproof(old, leaves, True)


@given(SIZES, st.data())
def test_a_proof_verifies_for_its_leaf_index_size_and_root_only(size, data):
    leaves = made(size)
    index = data.draw(st.integers(0, size - 1))
    proof, root = tree.inclusion_proof(index, leaves), tree.root(leaves)
    good = {"leaf": leaves[index], "index": index, "size": size, "proof": proof, "root": root}
    assert tree.verify_inclusion(**good)
    other = tree.leaf_hash(b"other")
    bad = [{"leaf": other}, {"root": other}, {"proof": [*proof, other]}]
    bad += [{"index": wrong} for wrong in (-1, size, index + 1, index - 1)]
    bad += [{"proof": proof[:-1]}, {"proof": [other, *proof[1:]]}] if proof else []
    for change in bad:
        assert not tree.verify_inclusion(**{**good, **change}), change


@given(SIZES, SIZES, st.data())
def test_a_consistency_proof_verifies_for_its_two_trees_only(one, two, data):
    old, new = sorted((one, two))
    leaves = made(new)
    proof = tree.consistency_proof(old, leaves)
    good = {
        "old": old,
        "new": new,
        "old_root": tree.root(leaves[:old]),
        "new_root": tree.root(leaves),
        "proof": proof,
    }
    assert tree.verify_consistency(**good)
    other = tree.leaf_hash(b"other")
    bad = [{"old_root": other}, {"new_root": other}, {"proof": [*proof, other]}]
    bad += [{"proof": proof[:-1]}, {"proof": [other, *proof[1:]]}] if proof else []
    for change in bad:
        assert not tree.verify_consistency(**{**good, **change}), change


def test_every_tree_starts_as_the_empty_one():
    leaves = made(3)
    good = {"old": 0, "new": 3, "old_root": tree.EMPTY_ROOT, "new_root": tree.root(leaves)}
    assert tree.verify_consistency(**good, proof=[])
    assert not tree.verify_consistency(**{**good, "old_root": leaves[0]}, proof=[])


@given(SIZES)
def test_a_growing_tree_completes_each_subtree_once(size):
    leaves, frontier, found = made(size), tree.Frontier(), {}
    for leaf in leaves:
        found.update(frontier.add(leaf))
    assert frontier.root == tree.root(leaves)
    assert len(found) == size - size.bit_count()
    for (level, position), value in found.items():
        assert value == naive_root(leaves[position << level : (position + 1) << level])


@pytest.mark.parametrize("call", [(tree.inclusion_ranges, 3, 3), (tree.inclusion_ranges, -1, 3),
                                  (tree.consistency_ranges, 4, 3), (tree.consistency_ranges, -1, 3)])  # fmt: skip
def test_it_refuses_what_is_outside_the_tree(call):
    function, first, second = call
    with pytest.raises(ValueError, match=r"tree|part"):
        function(first, second)
