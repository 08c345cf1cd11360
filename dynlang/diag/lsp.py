"""Errors in the shapes of the Language Server Protocol, for editors and other programs: `dync check --json`."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dynlang.diag import Diagnostic, Repair
    from dynlang.source import Source, Span

PAGE = 'docs/errors/{code}.md'
"""Where the page of a code lies in the sources; `dync explain CODE` prints it."""


def to_json(found: Diagnostic) -> dict[str, Any]:
    """An error as a `Diagnostic` of the protocol, with the file it stands in. `data.suggestions` are `CodeAction`s."""
    return {
        'file': found.span.source.name if found.span is not None else None,
        'range': _range(found.span),
        'severity': {'error': 1, 'warning': 2}.get(found.severity, 3),
        'code': found.code,
        'codeDescription': {'href': PAGE.format(code=found.code)},
        'source': 'dync',
        'message': found.title,
        'relatedInformation': [
            {'location': {'uri': label.span.source.name, 'range': _range(label.span)}, 'message': label.text}
            for label in found.secondary],
        'data': {
            'label': found.label, 'expected': found.expected, 'found': found.found, 'notes': list(found.notes), 'hint': found.hint,
            'suggestions': [code_action(found.fix)] if found.fix is not None else [],
        },
    }


def code_action(fix: Repair) -> dict[str, Any]:
    """A repair as a `CodeAction`: a title and the edits of each file."""
    changes: dict[str, list[dict[str, Any]]] = {}
    for edit in fix.edits:
        changes.setdefault(edit.span.source.name, []).append({'range': _range(edit.span), 'newText': edit.text})
    return {'title': fix.title, 'kind': 'quickfix', 'isPreferred': True, 'edit': {'changes': changes}}


def _range(span: Span | None) -> dict[str, Any]:
    if span is None:
        return {'start': {'line': 0, 'character': 0}, 'end': {'line': 0, 'character': 0}}
    return {'start': _position(span.source, span.start), 'end': _position(span.source, span.end)}


def _position(source: Source, offset: int) -> dict[str, int]:
    """A position as LSP counts: from 0, characters in UTF-16 units."""
    line, column = source.position(offset)
    before = source.line(line)[:column - 1]
    return {'line': line - 1, 'character': len(before.encode('utf-16-le', 'surrogatepass')) // 2}
