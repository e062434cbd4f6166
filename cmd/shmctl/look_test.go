package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

type listing struct {
	Dir      string `json:"dir"`
	Segments []struct {
		Name     string    `json:"name"`
		Size     int64     `json:"size"`
		Used     int64     `json:"used"`
		Objects  int       `json:"objects"`
		Alive    int       `json:"alive"`
		Dead     int       `json:"dead"`
		Lifetime string    `json:"lifetime"`
		Created  time.Time `json:"created"`
		Error    string    `json:"error"`
	} `json:"segments"`
}

type participant struct {
	Slot     int       `json:"slot"`
	PID      int       `json:"pid"`
	Program  string    `json:"program"`
	UID      int       `json:"uid"`
	Attached time.Time `json:"attached"`
	Alive    bool      `json:"alive"`
}

type hold struct {
	Slot    int    `json:"slot"`
	PID     int    `json:"pid"`
	Program string `json:"program"`
	Alive   bool   `json:"alive"`
	What    string `json:"what"`
	Count   int    `json:"count"`
	Waiting bool   `json:"waiting"`
}

type inspection struct {
	Segment struct {
		Name            string    `json:"name"`
		Dir             string    `json:"dir"`
		Size            int64     `json:"size"`
		Used            int64     `json:"used"`
		MaxSize         int64     `json:"max_size"`
		MaxParticipants int       `json:"max_participants"`
		Lifetime        string    `json:"lifetime"`
		Created         time.Time `json:"created"`
		Deaths          uint64    `json:"deaths"`
	} `json:"segment"`
	Participants []participant `json:"participants"`
	Objects      []object_     `json:"objects"`
}

type object_ struct {
	Name    string    `json:"name"`
	Kind    string    `json:"kind"`
	Type    string    `json:"type"`
	Spec    string    `json:"spec"`
	State   string    `json:"state"`
	Size    int64     `json:"size"`
	Created time.Time `json:"created"`
	Creator int       `json:"creator"`
	Holds   []hold    `json:"holds"`
}

func (in inspection) object(t *testing.T, name string) object_ {
	t.Helper()
	for _, o := range in.Objects {
		if o.Name == name {
			return o
		}
	}
	t.Fatalf("no object %q in %+v", name, in.Objects)
	return object_{}
}

func TestEmpty(t *testing.T) {
	dir := t.TempDir()
	for _, command := range []string{"ls", "check", "clean"} {
		o := look(t, dir, command)
		wantCode(t, o, 0)
		wantText(t, o.out, "in "+dir)
	}
	l := parse[listing](t, look(t, dir, "ls", "--json"))
	if l.Dir != dir || l.Segments == nil || len(l.Segments) != 0 {
		t.Errorf("ls --json: %+v", l)
	}
}

// hung is a folder with a segment whose users do not run any more: one holds
// everything, the other one waits. Nothing about it changes.
func hung(t *testing.T) (dir string, holder, waiter *app) {
	t.Helper()
	dir = t.TempDir()
	holder = start(t, dir, "persistent")
	for _, line := range []string{"objects", "lock", "acquire", "put", "put", "put", "receive"} {
		holder.do(line)
	}
	waiter = start(t, dir, "persistent")
	waiter.do("objects")
	waiter.do("wait")
	waits := func() bool {
		in := parse[inspection](t, shmctl(t, dir, "inspect", "orders", "gate", "--json"))
		return len(in.object(t, "gate").Holds) == 2
	}
	await(t, "a waiter", func() bool {
		if !waits() {
			return false
		}
		waiter.stop() // who waits looks around now and then, and is not asleep meanwhile
		if waits() {
			return true
		}
		if err := waiter.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		return false
	})
	holder.stop()
	return dir, holder, waiter
}

// await waits until ok, for which there is no event to wait for.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(watchdog); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("no %s", what)
		}
	}
}

func TestHung(t *testing.T) {
	dir, holder, waiter := hung(t)
	t.Run("ls", func(t *testing.T) {
		o := look(t, dir, "ls")
		wantCode(t, o, 0)
		wantText(t, o.out, "NAME", "orders", "2 alive, 0 dead", "Persistent", "MiB")
		l := parse[listing](t, look(t, dir, "ls", "--json"))
		if len(l.Segments) != 1 {
			t.Fatalf("%+v", l)
		}
		s := l.Segments[0]
		if s.Name != "orders" || s.Size < 1<<20 || s.Used <= 0 || s.Used > s.Size || s.Objects != 4 || s.Alive != 2 ||
			s.Dead != 0 || s.Lifetime != "Persistent" || time.Since(s.Created) > time.Hour {
			t.Errorf("%+v", s)
		}
	})
	t.Run("inspect", func(t *testing.T) {
		o := look(t, dir, "inspect", "orders")
		wantCode(t, o, 0)
		wantText(t, o.out, holder.pid(), waiter.pid(), "gate", "mutex", "slots", "semaphore", "jobs", "queue", "hits", "atomic",
			"holds 1 lock", "holds 2 permits", "waits")
		inspectHung(t, parse[inspection](t, look(t, dir, "inspect", "orders", "--json")), holder, waiter)
	})
	t.Run("one object", func(t *testing.T) {
		o := look(t, dir, "inspect", "orders", "slots")
		wantCode(t, o, 0)
		wantText(t, o.out, "slots", "holds 2 permits")
		wantNoText(t, o.out, "gate")
		wantCode(t, look(t, dir, "inspect", "orders", "nothing"), 1)
		wantCode(t, look(t, dir, "inspect", "nothing"), 1)
	})
	t.Run("check", func(t *testing.T) {
		o := look(t, dir, "check")
		wantCode(t, o, 0)
		wantText(t, o.out, "orders", "ok")
	})
	t.Run("rm", func(t *testing.T) {
		o := look(t, dir, "rm", "orders")
		wantCode(t, o, 3)
		wantText(t, o.err, "in use", holder.pid(), waiter.pid())
	})
	t.Run("clean", func(t *testing.T) {
		for _, args := range [][]string{{"clean", "--dry-run"}, {"clean"}} {
			o := look(t, dir, args...)
			wantCode(t, o, 0)
			wantText(t, o.out, "nothing to clean")
		}
	})
	t.Run("complete", func(t *testing.T) {
		wantText(t, look(t, dir, "__complete", "inspect", "").out, "orders\n")
		wantText(t, look(t, dir, "__complete", "inspect", "orders", "").out, "gate\n", "jobs\n")
		wantText(t, look(t, dir, "__complete", "rm", "").out, "orders\n")
	})
}

func inspectHung(t *testing.T, in inspection, holder, waiter *app) {
	t.Helper()
	if s := in.Segment; s.Name != "orders" || s.MaxParticipants != 8 || s.MaxSize != 16<<20 || s.Deaths != 0 {
		t.Errorf("segment %+v", s)
	}
	if ps := in.Participants; len(ps) != 2 || ps[0].PID != holder.cmd.Process.Pid || ps[1].PID != waiter.cmd.Process.Pid ||
		!ps[0].Alive || !ps[1].Alive || !strings.HasPrefix(filepath.Base(os.Args[0]), ps[0].Program[:6]) || ps[0].UID != os.Getuid() {
		t.Errorf("participants %+v", ps)
	}
	gate := in.object(t, "gate").Holds
	if len(gate) != 2 || gate[0].PID != holder.cmd.Process.Pid || gate[0].Waiting || gate[0].What != "lock" ||
		gate[1].PID != waiter.cmd.Process.Pid || !gate[1].Waiting || gate[1].Count != 1 {
		t.Errorf("gate %+v", gate)
	}
	slots := in.object(t, "slots").Holds
	if len(slots) != 1 || slots[0].Count != 2 || slots[0].What != "permit" || slots[0].PID != holder.cmd.Process.Pid {
		t.Errorf("slots %+v", slots)
	}
	jobs := in.object(t, "jobs")
	if len(jobs.Holds) != 1 || jobs.Holds[0].Count != 1 || jobs.Holds[0].What != "delivery" || jobs.Type != "int64" {
		t.Errorf("jobs %+v", jobs)
	}
	wantText(t, jobs.State, "2")
	wantText(t, in.object(t, "slots").Spec, "4")
	wantText(t, in.object(t, "hits").State, "7")
}

// TestFrozen looks while a process stands still in the middle of a structural
// change, holding the lock that all such changes need.
func TestFrozen(t *testing.T) {
	dir := t.TempDir()
	a := start(t, dir, "")
	a.do("objects")
	b := start(t, dir, "")
	a.tell("freeze")
	a.awaitStop()
	b.stop()
	for _, args := range [][]string{
		{"ls"}, {"inspect", "orders"}, {"inspect", "orders", "gate"}, {"check"}, {"clean", "--dry-run"},
	} {
		o := look(t, dir, args...)
		wantCode(t, o, 0)
		wantNoText(t, o.out, "frozen")
	}
	wantCode(t, look(t, dir, "rm", "orders"), 3)

	// What dies now cannot be repaired; clean says so, and does not wait for ever.
	b.kill()
	o := look(t, dir, "clean", "--dry-run")
	wantCode(t, o, 0)
	wantText(t, o.out, "would repair", "orders", b.pid())
	o = look(t, dir, "clean", "--timeout", "200ms")
	wantCode(t, o, 1)
	wantText(t, o.out, "failed", "orders", "deadline exceeded")

	if err := a.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	a.answer("freeze")
	await(t, "repair by the other one", func() bool {
		return len(parse[inspection](t, shmctl(t, dir, "inspect", "orders", "--json")).Participants) == 1
	})
}

func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	start(t, dir, "").stop()
	for name, text := range map[string]string{
		"rubbish.shoal":  strings.Repeat("rubbish ", 4096),
		"tiny.shoal":     "x",
		"empty.shoal":    "",
		"strangers.file": "no segment's name",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := look(t, dir, "ls")
	wantCode(t, o, 1)
	wantText(t, o.out, "orders", "1 alive", "rubbish", "tiny", "corrupt")
	wantNoText(t, o.out, "strangers", "empty")

	o = look(t, dir, "check", "--json")
	wantCode(t, o, 3)
	wantText(t, o.out, `"field": "header.magic"`)
	wantCode(t, look(t, dir, "check", "orders"), 0)
	wantCode(t, look(t, dir, "check", "tiny"), 3)
	wantCode(t, look(t, dir, "check", "nothing"), 1)
	wantCode(t, look(t, dir, "inspect", "rubbish"), 1)

	o = look(t, dir, "rm", "rubbish")
	wantCode(t, o, 1)
	wantText(t, o.err, "--force")
	o = shmctl(t, dir, "rm", "--force", "rubbish", "tiny")
	wantCode(t, o, 0)
	wantText(t, o.out, "removed rubbish", "removed tiny")
	wantCode(t, look(t, dir, "ls"), 0)
}

func TestUsage(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{
		{},
		{"frobnicate"},
		{"ls", "x"},
		{"ls", "--frobnicate"},
		{"inspect"},
		{"inspect", "a", "b", "c"},
		{"rm"},
		{"clean", "x"},
		{"doctor", "x"},
		{"ls", "--timeout", "soon"},
	} {
		o := look(t, dir, args...)
		wantCode(t, o, 2)
		if o.out != "" || o.err == "" {
			t.Errorf("shmctl %v wrote %q to standard output, %q to standard error", args, o.out, o.err)
		}
	}
	for _, args := range [][]string{{"--help"}, {"help", "clean"}, {"completion", "bash"}} {
		wantCode(t, look(t, dir, args...), 0)
	}
	wantCode(t, look(t, dir, "ls", "--dir", filepath.Join(dir, "missing")), 1)
}
