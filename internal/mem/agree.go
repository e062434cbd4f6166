package mem

import (
	"cmp"
	"fmt"
	"slices"
)

// Agree compares the layout that is stored with that of this process, both as
// Layout.Text. They agree if they have one size, and agree on every field that
// both name, and a field that only one of them names lies in blank bytes of the
// other: so blank bytes are room for later versions. If they do not agree, or
// stored is no layout at all, field, have and want say what differs. Texts that
// are no layouts agree if they are equal.
func Agree(stored, mine string) (field, have, want string, ok bool) {
	if stored == mine {
		return "", "", "", true
	}
	s, err := parseLayout(stored)
	if err == nil {
		m, err := parseLayout(mine)
		if err == nil && agree(s, m) {
			return "", "", "", true
		}
	}
	return "type", shorten(stored), shorten(mine), false
}

const shownText = 4 << 10

func shorten(text string) string {
	if len(text) > shownText {
		return fmt.Sprintf("%s… (%d bytes)", text[:shownText], len(text))
	}
	return text
}

func agree(a, b *node) bool {
	if a.size != b.size || a.basic != b.basic || a.n != b.n || (a.elem == nil) != (b.elem == nil) {
		return false
	}
	if a.elem != nil {
		return agree(a.elem, b.elem)
	}
	return fieldsAgree(a, b) && fieldsCovered(b, a)
}

// fieldsAgree reports whether b has every field of a as a has it, or blank
// bytes in its place. It alone descends, so that the work stays linear.
func fieldsAgree(a, b *node) bool {
	for name, f := range a.fields {
		g, both := b.fields[name]
		if both && (f.off != g.off || !agree(f.node, g.node)) {
			return false
		}
		if !both && !b.isBlank(f.off, f.off+f.node.size) {
			return false
		}
	}
	return true
}

// fieldsCovered reports whether what a has and b does not is blank in b.
func fieldsCovered(a, b *node) bool {
	for name, f := range a.fields {
		if _, both := b.fields[name]; !both && !b.isBlank(f.off, f.off+f.node.size) {
			return false
		}
	}
	return true
}

// isBlank reports whether the bytes from, inclusive, to to, exclusive, of a
// struct are blank.
func (n *node) isBlank(from, to int64) bool {
	i, found := slices.BinarySearchFunc(n.blanks, from, func(s span, x int64) int { return cmp.Compare(s.from, x) })
	if !found {
		i-- // the last one that begins before from
	}
	return from == to || (i >= 0 && to <= n.blanks[i].to)
}

// mergeBlanks sorts the blank spans and joins those that touch.
func (n *node) mergeBlanks() {
	slices.SortFunc(n.blanks, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	merged := n.blanks[:0]
	for _, s := range n.blanks {
		if k := len(merged); k > 0 && s.from <= merged[k-1].to {
			merged[k-1].to = max(merged[k-1].to, s.to)
			continue
		}
		merged = append(merged, s)
	}
	n.blanks = merged
}
