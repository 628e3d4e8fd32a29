"""From measured tables to statistics, claims, figures and documents."""
