package mem

import (
	"errors"
	"math"
	"strings"
)

// node is one type of a parsed layout: a basic kind, n times elem, or a struct.
type node struct {
	size   int64
	basic  string
	n      int64
	elem   *node
	fields map[string]fieldNode
	blanks []span
}

type fieldNode struct {
	off  int64
	node *node
}

// span is the bytes from, inclusive, to to, exclusive.
type span struct{ from, to int64 }

const (
	maxLayoutDepth = 64
	maxLayoutSize  = math.MaxInt64 / 4
)

var errLayoutText = errors.New("mem: malformed layout")

// parser reads the text of a layout, which may come from another process:
// whatever it is, parsing ends after one pass over it.
type parser struct {
	rest  string
	depth int
}

func parseLayout(text string) (*node, error) {
	if len(text) > MaxLayoutText {
		return nil, errLayoutText
	}
	p := parser{rest: text}
	n := p.node()
	if n == nil || p.rest != "" {
		return nil, errLayoutText
	}
	return n, nil
}

// node parses one type; nil if there is none.
func (p *parser) node() *node {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxLayoutDepth {
		return nil
	}
	switch {
	case p.take("["):
		return p.array()
	case p.take("struct("):
		return p.structure()
	}
	return p.basic()
}

func (p *parser) array() *node {
	n := p.number()
	if n < 0 || !p.take("]") {
		return nil
	}
	elem := p.node()
	if elem == nil || (elem.size > 0 && n > maxLayoutSize/elem.size) {
		return nil
	}
	return &node{size: n * elem.size, n: n, elem: elem}
}

func (p *parser) structure() *node {
	size := p.number()
	if size < 0 || !p.take("){") {
		return nil
	}
	n := &node{size: size, fields: map[string]fieldNode{}}
	for first := true; !p.take("}"); first = false {
		if !first && !p.take("; ") {
			return nil
		}
		if !p.field(n) {
			return nil
		}
	}
	n.mergeBlanks()
	return n
}

// field parses "name type @offset" or "_ @offset+length" into n.
func (p *parser) field(n *node) bool {
	name, rest, ok := strings.Cut(p.rest, " ")
	if !ok || name == "" || strings.ContainsAny(name, "{}[]();@+") {
		return false
	}
	p.rest = rest
	if name == "_" {
		return p.blank(n)
	}
	t := p.node()
	if t == nil || !p.take(" @") {
		return false
	}
	off := p.number()
	if _, twice := n.fields[name]; twice || off < 0 || t.size > n.size || off > n.size-t.size {
		return false
	}
	n.fields[name] = fieldNode{off: off, node: t}
	return true
}

func (p *parser) blank(n *node) bool {
	if !p.take("@") {
		return false
	}
	off := p.number()
	if !p.take("+") {
		return false
	}
	length := p.number()
	if off < 0 || length < 0 || length > n.size || off > n.size-length {
		return false
	}
	n.blanks = append(n.blanks, span{from: off, to: off + length})
	return true
}

func (p *parser) basic() *node {
	end := strings.IndexAny(p.rest, " ;}")
	if end < 0 {
		end = len(p.rest)
	}
	size := basicSize(p.rest[:end])
	if size == 0 {
		return nil
	}
	n := &node{size: size, basic: p.rest[:end]}
	p.rest = p.rest[end:]
	return n
}

// basicSize returns how many bytes the basic type of that name has; 0 if there is none.
func basicSize(name string) int64 {
	switch name {
	case "bool", "int8", "uint8":
		return 1
	case "int16", "uint16":
		return 2
	case "int32", "uint32", "float32":
		return 4
	case "int64", "uint64", "float64", "complex64":
		return 8
	case "complex128":
		return 16
	}
	return 0
}

// number parses a decimal number; -1 if there is none or it is too large.
func (p *parser) number() int64 {
	var x int64
	i := 0
	for ; i < len(p.rest) && p.rest[i] >= '0' && p.rest[i] <= '9'; i++ {
		x = x*10 + int64(p.rest[i]-'0')
		if x > maxLayoutSize {
			return -1
		}
	}
	if i == 0 {
		return -1
	}
	p.rest = p.rest[i:]
	return x
}

func (p *parser) take(prefix string) bool {
	rest, ok := strings.CutPrefix(p.rest, prefix)
	if ok {
		p.rest = rest
	}
	return ok
}
