"""Topics that documents suggest, for their owner to edit."""

from pathlib import Path

from gateway.agent.owned.proposing import proposed_topics


def test_headings_are_proposed_the_higher_first_and_each_once(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.md").write_text("## Holidays ##\ntext\n# The *house* rules\n### Deep\n#no heading\n")
    (tmp_path / "sub" / "b.md").write_text("# The house rules\n## Sick [notes](https://x.y)\n## " + "x" * 97 + "\n")
    (tmp_path / "c.py").write_text("# a comment\n")
    (tmp_path / "link.md").symlink_to(tmp_path / "c.py")
    (tmp_path / "bad.md").write_bytes(b"\xff\xfe## ok\n# \x00\n")

    assert ("The house rules", "Holidays", "Sick notes", "Deep") == proposed_topics(tmp_path)


def test_there_are_no_more_than_may_be_told(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("".join(f"# topic {number}\n" for number in range(40)))

    assert 16 == len(proposed_topics(tmp_path))
    assert () == proposed_topics(tmp_path / "none")
