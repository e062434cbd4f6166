package process

import (
	"slices"
	"sync"
)

// state is what this process knows of functions and children. There is one of
// it, because a child finds its function by name and by nothing else.
type state struct {
	mu       sync.Mutex
	entries  map[string]*entry
	main     bool   // Main was called: functions may be started, and no more registered
	name     string // of this child; empty if this process is none
	children []*Child
}

var self state //nolint:gochecknoglobals // the registry that package-level Func calls fill

// register adds e, or returns why it cannot be added.
func (s *state) register(e *entry) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.main:
		return "registered after Main, so that a child could not find it: call Func in a package-level var"
	case s.entries[e.name] != nil:
		return "registered twice"
	}
	if s.entries == nil {
		s.entries = map[string]*entry{}
	}
	s.entries[e.name] = e
	return ""
}

func (s *state) lookup(name string) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries[name]
}

// setMain notes that Main was called; name is this child's name, if it is one.
func (s *state) setMain(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.main = true
	s.name = name
}

func (s *state) mainCalled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.main
}

func (s *state) add(c *Child) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.children = append(s.children, c)
}

func (s *state) remove(c *Child) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.children = slices.DeleteFunc(s.children, func(x *Child) bool { return x == c })
}

// Name returns the name that this child was given by its parent, and "" in a
// process that is no child.
func Name() string {
	self.mu.Lock()
	defer self.mu.Unlock()
	return self.name
}

// Children returns the children of this process that have not ended, in the
// order of their start.
func Children() []*Child {
	self.mu.Lock()
	defer self.mu.Unlock()
	return slices.Clone(self.children)
}
