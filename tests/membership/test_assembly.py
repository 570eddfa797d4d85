"""What a neighbour states, put together: whole statements come out, and nothing else."""

from msgspec.structs import replace

from mycelium.identity import Identity
from mycelium.membership.assembly import Assembly
from mycelium.wire.membership import Chain, MemberPiece, decode_statement, pieces_of
from tests.support.members import certificate, invited, removals

MEMBER, DELEGATE = Identity(b"m" * 32), Identity(b"d" * 32)
STATEMENTS = (Chain(certificate(MEMBER)), invited(MEMBER, DELEGATE), removals(1, MEMBER))


def added(assembly: Assembly, *pieces: MemberPiece) -> list[bytes]:
    return [whole for piece in pieces if (whole := assembly.add(piece)) is not None]


def test_statements_come_out_as_they_went_in_one_after_the_other() -> None:
    assembly = Assembly()
    for one in STATEMENTS * 2:
        pieces = pieces_of(one)
        assert added(assembly, *pieces[:-1]) == []
        assert not assembly.is_empty
        [whole] = added(assembly, pieces[-1])
        assert assembly.is_empty
        assert decode_statement(pieces[0].kind, whole) == one


def test_a_beginning_that_was_broken_off_gives_way_to_the_next_statement() -> None:
    assembly = Assembly()
    added(assembly, *pieces_of(STATEMENTS[1])[:3])
    assert len(added(assembly, *pieces_of(STATEMENTS[0]))) == 1


def test_a_piece_that_does_not_follow_ends_what_there_is() -> None:
    first, second, *rest = pieces_of(STATEMENTS[1])
    wrong = (
        first,
        rest[0],
        replace(second, kind=second.kind + 1),
        replace(second, total=second.total - 1),
        replace(second, offset=second.offset + 1),
    )
    for piece in wrong[1:]:
        assembly = Assembly()
        assert added(assembly, first, piece) == []
        assert assembly.is_empty
        assert added(assembly, second, *rest) == []
    assert added(Assembly(), second, *rest) == []
