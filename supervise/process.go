// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"os"
	"os/exec"
	"runtime"
	"sync"
)

// process is a running program and the group that it leads.
//
//	started ──► exited ──► ended
//
// Between exited and ended the program is not waited for yet, so its number is still its own:
// that is when the rest of its group is killed. From then on nobody is signalled any more.
type process struct {
	cmd    *exec.Cmd
	keeper *exec.Cmd // nil mostly; leads the group
	life   *os.File  // of the keeper: it acts when this ends

	mu    sync.Mutex
	group group
	over  bool // the group may be somebody else's

	exited chan struct{} // closed first
	ended  chan struct{} // closed when it was waited for, and the keeper, too
	err    error         // of Wait; valid after ended
}

// start runs a program in a group of its own.
func start(cmd *exec.Cmd, keeper []string, linger bool) (*process, error) {
	p := &process{cmd: cmd, exited: make(chan struct{}), ended: make(chan struct{})}
	leader := 0
	if len(keeper) > 0 && runtime.GOOS != "windows" { // a job needs none
		if err := p.hire(keeper); err != nil {
			return nil, err
		}
		leader = p.keeper.Process.Pid
	}
	apart(cmd, leader, !linger)
	started := make(chan error, 1)
	go p.run(started)
	if err := <-started; err != nil {
		<-p.ended
		return nil, err
	}
	return p, nil
}

// run is the process's whole life, on one thread: the kernel takes the end of the thread
// that started a program for the death of its parent.
func (p *process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.ended)
	defer p.dismiss()
	err := p.cmd.Start()
	if err == nil {
		p.mu.Lock()
		p.group, err = lead(p.cmd, p.keeper)
		p.mu.Unlock()
		if err != nil { // it runs on without a group that could be ended with it
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	}
	started <- err
	if err != nil {
		p.finish()
		close(p.exited)
		return
	}
	seen := awaitExit(p.cmd)
	if seen {
		p.finish()
		close(p.exited)
	}
	p.err = p.cmd.Wait()
	if !seen {
		p.finish()
		close(p.exited)
	}
}

// finish kills what is left of the group and lets nobody signal it any more.
func (p *process) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.group.end()
}

// signal asks the group to end. It does nothing after its end.
func (p *process) terminate() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return nil
	}
	return p.group.terminate()
}

// kill ends the group at once, unless it has ended.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		p.group.kill()
	}
}

// hire starts the keeper, who leads the group and acts if this process dies.
func (p *process) hire(argv []string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	k := exec.Command(argv[0], argv[1:]...)
	k.Stdin = r
	apart(k, 0, false)
	if err := k.Start(); err != nil {
		w.Close()
		return err
	}
	p.keeper, p.life = k, w
	return nil
}

// dismiss ends the keeper, if there is one.
func (p *process) dismiss() {
	if p.keeper == nil {
		return
	}
	_ = p.keeper.Process.Kill()
	_ = p.keeper.Wait() // it was killed
	p.life.Close()
}
