package pool_test

import (
	"bytes"
	"context"
	"runtime"
	"strings"
	"testing"

	"github.com/shoal-ipc/shoal/pool"
)

// fugitive is text that ends the goroutine in which it is decoded, if it says so.
type fugitive struct{ text []byte }

func (x fugitive) MarshalBinary() ([]byte, error) { return x.text, nil }

func (x *fugitive) UnmarshalBinary(b []byte) error {
	if x.text = bytes.Clone(b); string(b) == "leave" {
		runtime.Goexit()
	}
	return nil
}

var flees = pool.Func("flees", func(_ context.Context, text string) (fugitive, error) { return fugitive{[]byte(text)}, nil })

// A result whose decoding ends the goroutine fails like one that cannot be
// decoded, and holds up no other.
func TestDecodingEndsItsGoroutine(t *testing.T) {
	ctx := deadline(t)
	p := mustNew(t, &pool.Options{Workers: 2, Chunk: 16}) // one chunk in Map
	in := []string{"a", "leave", "leave", "b", "c", "d", "e", "leave", "f"}
	check := func(i int, x fugitive, err error) {
		t.Helper()
		if in[i] != "leave" {
			if err != nil || string(x.text) != in[i] {
				t.Errorf("%d: %q, %v", i, x.text, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), "Goexit") {
			t.Errorf("%d: %q, %v", i, x.text, err)
		}
	}
	for i, text := range in {
		x, err := flees.Call(ctx, p, text)
		check(i, x, err)
		future := flees.Go(ctx, p, text)
		<-future.Done()
		x, err = future.Get(ctx)
		check(i, x, err)
	}
	n := 0
	for x, err := range flees.Stream(ctx, p, func(yield func(string) bool) {
		for _, text := range in {
			if !yield(text) {
				return
			}
		}
	}) {
		check(n, x, err)
		n++
	}
	if n != len(in) {
		t.Error(n, "results")
	}
	out, err := flees.Map(ctx, p, in)
	check(1, fugitive{}, err)
	for i, x := range out {
		if in[i] != "leave" && string(x.text) != in[i] || in[i] == "leave" && x.text != nil {
			t.Errorf("%d of the Map: %q", i, x.text)
		}
	}
}
