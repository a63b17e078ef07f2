class Planner: pass
