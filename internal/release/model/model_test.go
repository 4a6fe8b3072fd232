package model

import "testing"

func TestThePromisesHold(t *testing.T) {
	for _, c := range []Config{
		{Name: "gateway", Faults: 2},
		{Name: "gateway, first release", Start: First, Faults: 2},
		{Name: "gateway, adopted production", Start: Adopted, Faults: 2},
		{Name: "nginx", Router: Nginx, Faults: 1},
		{Name: "nginx, first release", Router: Nginx, Start: First, Faults: 1},
		{Name: "nginx, adopted production", Router: Nginx, Start: Adopted, Faults: 1},
		{Name: "a person resumes", Third: Resumer, Faults: 1},
		{Name: "the next release", Third: NextRunner, Faults: 1},
	} {
		t.Run(c.Name, func(t *testing.T) {
			c.Remedies = All
			res := Search(c)
			t.Log(res)
			if res.Broken != "" {
				t.Error(res.Story())
			}
		})
	}
}
