package main

import (
	"os"
	"slices"
	"testing"
)

type cleaning struct {
	Dir      string `json:"dir"`
	DryRun   bool   `json:"dry_run"`
	Repaired []struct {
		Name string        `json:"name"`
		Dead []participant `json:"dead"`
	} `json:"repaired"`
	Removed []string `json:"removed"`
	Failed  []struct {
		Name  string `json:"name"`
		Error string `json:"error"`
	} `json:"failed"`
}

// TestCleanRemoves cleans a segment that lived for processes that were killed.
func TestCleanRemoves(t *testing.T) {
	dir := t.TempDir()
	a := start(t, dir, "")
	a.do("objects")
	a.kill()

	o := look(t, dir, "ls")
	wantCode(t, o, 0)
	wantText(t, o.out, "0 alive, 1 dead", "LastUser")
	o = look(t, dir, "clean", "--dry-run")
	wantCode(t, o, 0)
	wantText(t, o.out, "would remove", "orders")
	c := parse[cleaning](t, look(t, dir, "clean", "--dry-run", "--json"))
	if !c.DryRun || c.Dir != dir || !slices.Equal(c.Removed, []string{"orders"}) || len(c.Repaired) != 0 || len(c.Failed) != 0 {
		t.Errorf("clean --dry-run --json: %+v", c)
	}

	c = parse[cleaning](t, shmctl(t, dir, "clean", "--json"))
	if c.DryRun || !slices.Equal(c.Removed, []string{"orders"}) || len(c.Repaired) != 0 || len(c.Failed) != 0 {
		t.Errorf("clean --json: %+v", c)
	}
	if left := sums(t, dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	wantText(t, look(t, dir, "clean").out, "nothing to clean")
}

// TestCleanRepairs cleans a segment that outlives the processes that used it.
func TestCleanRepairs(t *testing.T) {
	dir := t.TempDir()
	a := start(t, dir, "persistent")
	for _, line := range []string{"objects", "lock", "acquire", "put", "receive"} {
		a.do(line)
	}
	a.kill()

	o := look(t, dir, "inspect", "orders")
	wantCode(t, o, 0)
	wantText(t, o.out, a.pid(), "dead", "holds 2 permits")
	o = look(t, dir, "clean", "--dry-run")
	wantCode(t, o, 0)
	wantText(t, o.out, "would repair", "orders", a.pid())

	c := parse[cleaning](t, shmctl(t, dir, "clean", "--json"))
	if len(c.Repaired) != 1 || c.Repaired[0].Name != "orders" || len(c.Repaired[0].Dead) != 1 ||
		c.Repaired[0].Dead[0].PID != a.cmd.Process.Pid || len(c.Removed) != 0 || len(c.Failed) != 0 {
		t.Errorf("clean --json: %+v", c)
	}

	in := parse[inspection](t, look(t, dir, "inspect", "orders", "--json"))
	if len(in.Participants) != 0 || in.Segment.Deaths != 1 {
		t.Errorf("after clean: %+v", in)
	}
	if h := in.object(t, "slots").Holds; len(h) != 0 {
		t.Errorf("permits are still held: %+v", h)
	}
	wantText(t, in.object(t, "gate").State, "poisoned")
	wantText(t, shmctl(t, dir, "clean").out, "nothing to clean")
	wantCode(t, look(t, dir, "check"), 0)

	// It works on, with what was in it.
	b := start(t, dir, "persistent")
	b.do("objects")
	b.do("receive")
	b.quit()
	if left := sums(t, dir); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

// TestCleanSpares cleans a folder in which somebody died beside somebody alive.
func TestCleanSpares(t *testing.T) {
	dir := t.TempDir()
	alive, dies := start(t, dir, ""), start(t, dir, "")
	alive.do("objects")
	dies.kill()
	o := shmctl(t, dir, "clean")
	wantCode(t, o, 0)
	wantNoText(t, o.out, "removed")
	await(t, "repair", func() bool {
		in := parse[inspection](t, shmctl(t, dir, "inspect", "orders", "--json"))
		return len(in.Participants) == 1 && in.Participants[0].PID == alive.cmd.Process.Pid && in.Segment.Deaths == 1
	})
	alive.do("lock")
	alive.quit()
	if left := sums(t, dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

type removal struct {
	Removed []string `json:"removed"`
	Refused []struct {
		Name   string        `json:"name"`
		Reason string        `json:"reason"`
		Users  []participant `json:"users"`
	} `json:"refused"`
}

func TestRm(t *testing.T) {
	dir := t.TempDir()
	a := start(t, dir, "persistent")
	a.do("objects")
	o := shmctl(t, dir, "rm", "orders", "--json")
	wantCode(t, o, 3)
	r := parse[removal](t, o)
	if len(r.Removed) != 0 || len(r.Refused) != 1 || r.Refused[0].Name != "orders" || len(r.Refused[0].Users) != 1 ||
		r.Refused[0].Users[0].PID != a.cmd.Process.Pid {
		t.Errorf("rm --json: %+v", r)
	}

	o = shmctl(t, dir, "rm", "--force", "orders", "nothing")
	wantCode(t, o, 1)
	wantText(t, o.out, "removed orders")
	wantText(t, o.err, "nothing")
	a.do("lock") // it keeps what it has

	b := start(t, dir, "persistent")
	b.do("objects")
	in := parse[inspection](t, shmctl(t, dir, "inspect", "orders", "--json"))
	if len(in.Participants) != 1 || in.Participants[0].PID != b.cmd.Process.Pid {
		t.Errorf("the new segment has %+v", in.Participants)
	}
	b.kill()
	o = shmctl(t, dir, "rm", "orders")
	wantCode(t, o, 0)
	wantText(t, o.out, "removed orders")
	if left := sums(t, dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

type diagnosis struct {
	System string `json:"system"`
	Kernel string `json:"kernel"`
	Folder struct {
		Dir        string `json:"dir"`
		FileSystem string `json:"file_system"`
		Size       int64  `json:"size"`
		Free       int64  `json:"free"`
		Error      string `json:"error"`
	} `json:"folder"`
	Mechanisms []struct {
		Name      string `json:"name"`
		Available bool   `json:"available"`
		Use       string `json:"use"`
		Without   string `json:"without"`
	} `json:"mechanisms"`
	Deaths string `json:"deaths"`
	Able   bool   `json:"able"`
}

func TestDoctor(t *testing.T) {
	dir := t.TempDir()
	o := look(t, dir, "doctor")
	wantCode(t, o, 0)
	wantText(t, o.out, dir, "robust list", "futex_waitv", "membarrier", "runs here", "free")
	d := parse[diagnosis](t, look(t, dir, "doctor", "--json"))
	if !d.Able || d.Folder.Dir != dir || d.Folder.Size <= 0 || d.Folder.Free <= 0 || d.Kernel == "" || len(d.Mechanisms) != 7 {
		t.Errorf("doctor --json: %+v", d)
	}

	t.Setenv("SHOAL_DISABLE", "robustlist")
	d = parse[diagnosis](t, look(t, dir, "doctor", "--json"))
	if d.Deaths != "polling" || d.Mechanisms[0].Available {
		t.Errorf("without robust lists: %+v", d)
	}

	o = look(t, dir, "doctor", "--dir", dir+"/missing")
	wantCode(t, o, 3)
	wantText(t, o.out, "cannot run here")
	if _, err := os.Stat(dir + "/missing"); err == nil {
		t.Error("doctor made the folder that was missing")
	}
}
