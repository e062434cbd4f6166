package satomic_test

import (
	"testing"
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/satomic"
)

func TestEach(t *testing.T) {
	type slot struct {
		word  satomic.Uint64
		other uint64
	}
	var slots [5]slot
	const stride = unsafe.Sizeof(slot{})
	satomic.PublishEach(&slots[1].word, stride, 3, 7)
	satomic.PublishEach(&slots[4].word, stride, 0, 9)
	for i := range slots {
		want := uint64(0)
		if 1 <= i && i < 4 {
			want = 7
		}
		if x := slots[i].word.Load(); x != want || slots[i].other != 0 {
			t.Errorf("word %d is %d, want %d; beside it is %d", i, x, want, slots[i].other)
		}
	}
	for _, c := range []struct{ from, n, want int }{{1, 0, 0}, {1, 2, 2}, {1, 3, 3}, {1, 4, 3}, {2, 3, 2}, {0, 5, 0}} {
		if n := satomic.CountEach(&slots[c.from].word, stride, c.n, 7); n != c.want {
			t.Errorf("of %d words from %d on %d are 7, want %d", c.n, c.from, n, c.want)
		}
	}
}
