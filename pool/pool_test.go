package pool_test

import (
	"testing"
)

func TestBasics(t *testing.T) {
	ctx := deadline(t)
	p := mustNew(t, nil)
	x, err := square.Call(ctx, p, 7)
	if err != nil || x != 49 {
		t.Fatal(x, err)
	}
	f := square.Go(ctx, p, 9)
	if x, err := f.Get(ctx); err != nil || x != 81 {
		t.Fatal(x, err)
	}
	in := make([]int, 10000)
	for i := range in {
		in[i] = i
	}
	out, err := square.Map(ctx, p, in)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range out {
		if x != i*i {
			t.Fatal(i, x)
		}
	}
}
