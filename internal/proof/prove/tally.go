package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/shoal-ipc/shoal/internal/proof"
)

// tally adds up what the proofs report, by kind and unit. Several may report at once.
type tally struct {
	mu    sync.Mutex
	kinds []sum
}

type sum struct {
	kind   proof.Kind
	counts []proof.Count
}

// add takes a line of go test's output; lines that are no reports are let pass.
func (t *tally) add(line string) {
	report, ok := strings.CutPrefix(line, proof.Prefix)
	if !ok {
		return
	}
	kind, counts, _ := strings.Cut(report, ": ")
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.kinds, func(s sum) bool { return string(s.kind) == kind })
	if i < 0 {
		i = len(t.kinds)
		t.kinds = append(t.kinds, sum{kind: proof.Kind(kind)})
	}
	for c := range strings.SplitSeq(counts, ", ") {
		number, unit, _ := strings.Cut(c, " ")
		if n, err := strconv.Atoi(number); err == nil {
			t.kinds[i].add(n, unit)
		}
	}
}

func (s *sum) add(n int, unit string) {
	for i := range s.counts {
		if s.counts[i].Unit == unit {
			s.counts[i].N += n
			return
		}
	}
	s.counts = append(s.counts, proof.Count{N: n, Unit: unit})
}

// lines returns one line a kind.
func (t *tally) lines() []string {
	var list []string
	order := proof.Kinds()
	slices.SortStableFunc(t.kinds, func(a, b sum) int {
		return slices.Index(order, a.kind) - slices.Index(order, b.kind)
	})
	for _, s := range t.kinds {
		list = append(list, strings.TrimPrefix(proof.Line(s.kind, s.counts...), proof.Prefix))
	}
	return list
}

// needs says what a kind of proof cannot do without.
var needs = map[proof.Kind]string{ //nolint:gochecknoglobals // a constant
	proof.Model: ", which needs spin and a C compiler",
}

// complete returns an error naming each kind that has tried nothing.
func (t *tally) complete(kinds []proof.Kind) error {
	var missing []error
	for _, k := range kinds {
		i := slices.IndexFunc(t.kinds, func(s sum) bool { return s.kind == k })
		if i < 0 || !slices.ContainsFunc(t.kinds[i].counts, func(c proof.Count) bool { return c.N > 0 }) {
			missing = append(missing, fmt.Errorf("nothing was tried: %s%s", k, needs[k]))
		}
	}
	return errors.Join(missing...)
}
