"""Simulated patients: brains, lesions, scanners, follow-up. Everything made here is called simulated."""

from dawson.simulation.cohort import simulate_cohort
from dawson.simulation.people import CohortPlan, plan_cohort, seok2023_plan

__all__ = ["CohortPlan", "plan_cohort", "seok2023_plan", "simulate_cohort"]
