"""Views of models and trainings: inspection and plots."""
