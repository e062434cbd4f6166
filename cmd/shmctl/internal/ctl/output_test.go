package ctl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-ipc/shoal/internal/sys"
	"github.com/shoal-ipc/shoal/shm"
)

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1 << 20: "1.0 MiB", 5 << 30: "5.0 GiB", 1 << 62: "4.0 EiB",
	} {
		if got := bytes(n); got != want {
			t.Errorf("bytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestPlural(t *testing.T) {
	for want, got := range map[string]string{
		"0 locks": plural(0, "lock"), "1 lock": plural(1, "lock"), "2 locks": plural(2, "lock"), "3 deliveries": plural(3, "delivery"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestTable has cells with bytes that another process may have written to
// confuse whoever reads them on a terminal.
func TestTable(t *testing.T) {
	var b strings.Builder
	table(&b, [][]string{{"A", "B"}, {"x\x1b[31m\ty", "two\nlines \u202e"}, {"\xff", ""}})
	want := "A         B\nx?[31m y  two lines ?\n\ufffd         \n"
	if b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

func TestOneLine(t *testing.T) {
	long := strings.Repeat("é", 100)
	if got := oneLine(long); len([]rune(got)) != 60 || !strings.HasSuffix(got, "é…") {
		t.Errorf("%q", got)
	}
	if got := oneLine("struct {\n\tA int\n}"); got != "struct { A int }" {
		t.Errorf("%q", got)
	}
}

func TestAppendProblems(t *testing.T) {
	a, b := &shm.CorruptError{Object: "a", Field: "f", Offset: 8, Got: "1", Want: "0"}, &shm.CorruptError{Field: "g"}
	err := errors.Join(fmt.Errorf("wrapped: %w", a), errors.New("other"), errors.Join(b, nil))
	want := []problem{{"a", "f", 8, "1", "0"}, {"", "g", 0, "", ""}}
	if got := appendProblems(nil, err); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := appendProblems(nil, nil); got != nil {
		t.Errorf("%+v of no error", got)
	}
}

func TestDiagnose(t *testing.T) {
	all := sys.Features{RobustList: true, FutexWaitv: true, Membarrier: true, OFDLocks: true, Memfd: true, TmpFile: true, Guards: true}
	tests := []struct {
		name   string
		change func(*sys.Features)
		deaths string
		able   bool
	}{
		{"all", func(*sys.Features) {}, "kernel", true},
		{"no robust lists", func(f *sys.Features) { f.RobustList = false }, "polling", true},
		{"no futex_waitv", func(f *sys.Features) { f.FutexWaitv = false }, "polling", true},
		{"no membarrier", func(f *sys.Features) { f.Membarrier = false }, "kernel", true},
		{"no open file locks", func(f *sys.Features) { f.OFDLocks = false }, "kernel", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			have := all
			tt.change(&have)
			d := diagnose(have, t.TempDir())
			missing := 0
			for _, m := range d.Mechanisms {
				if !m.Available {
					missing++
				}
			}
			if d.Deaths != tt.deaths || d.Able != tt.able || (missing == 0) != (have == all) {
				t.Errorf("%+v", d)
			}
		})
	}
}
